// Copy buttons, and filters that submit when they change. Works without: links stay selectable, forms have a button.
document.addEventListener("click", function (event) {
  const button = event.target.closest("[data-copy]");
  if (!button || !navigator.clipboard) return;
  navigator.clipboard.writeText(button.dataset.copy).then(function () {
    const before = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(function () { button.textContent = before; }, 2000);
  });
});
document.addEventListener("change", function (event) {
  const form = event.target.closest("form[data-autosubmit]");
  if (form) form.requestSubmit();
});
