"""Stored webhooks: one bad item loses no other, a crash loses nothing, and all can be done again."""

import threading

import pytest
from django.core.management import call_command
from django.db import connection

from contacts.models import ConsentEvent, Contact
from conversations.errors import ReceiptUnknownError
from conversations.models import Conversation, Message
from conversations.receipts import receipt_replay, receipts_process
from conversations.webhooks import receipt_store
from messaging.models import ProviderEvent, WebhookReceipt
from tests.builders import webhooks as wa
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder


def store(account, raw):
    receipt_store(channel="whatsapp", raw=raw, account_ids=[account.id])


@pytest.mark.django_db
def test_of_fifty_items_the_poisoned_one_is_written_down_and_the_others_arrive(account):
    items = [wa.text(f"message {number}", phone=f"8490300{number:04d}") for number in range(50)]
    # An address longer than any address may be: understood by the parser, refused by the database.
    items[23] = wa.text("poison", phone="", bsuid="VN." + "A" * 300)
    store(account, wa.messages(account, *items))
    assert receipts_process(now=NOW) == 1
    receipt = WebhookReceipt.objects.get()
    assert (receipt.state, receipt.item_count) == ("partial", 50)
    assert [fault["item"] for fault in receipt.faults] == [23]
    assert "AAAA" not in receipt.faults[0]["error"]
    assert Message.objects.count() == Conversation.objects.count() == Contact.objects.count() == 49


@pytest.mark.django_db
def test_processing_again_changes_nothing(account):
    store(account, wa.messages(account, wa.text("hi"), wa.text("STOP")))
    receipts_process(now=NOW)
    before = list(Message.objects.order_by("id").values())
    receipt = WebhookReceipt.objects.get()
    assert receipt_replay(receipt_id=receipt.id, now=NOW).state == "processed"
    assert list(Message.objects.order_by("id").values()) == before
    with pytest.raises(ReceiptUnknownError):
        receipt_replay(receipt_id=10**9, now=NOW)


@pytest.mark.django_db
def test_a_fault_is_mended_by_replaying(account, capsys):
    edit = {"original_message_id": "wamid.M1", "message": {"type": "text", "text": {"body": "two"}}}
    early = {"from": "84901230001", "id": "wamid.R1", "timestamp": wa.seconds(NOW), "type": "edit", "edit": edit}
    store(account, wa.messages(account, early))
    receipts_process(now=NOW)
    assert WebhookReceipt.objects.get().state == "partial"
    store(account, wa.messages(account, wa.text("one", wamid="wamid.M1")))
    receipts_process(now=NOW)
    call_command("replay_receipts", "--partial")
    assert "1 receipts processed again, 0 of them with faults" in capsys.readouterr().out
    assert Message.objects.get().text == "two"


@pytest.mark.django_db
def test_an_item_of_an_account_that_did_not_sign_is_kept_and_not_believed(account):
    other = AccountBuilder()
    mine, theirs = wa.text("mine"), wa.text("theirs", phone="84909999999")
    raw = wa.body(
        account,
        wa.change(account, contacts=wa.people(mine), messages=[mine]),
        wa.change(other, contacts=wa.people(theirs), messages=[theirs]),
    )
    store(account, raw)
    receipts_process(now=NOW)
    assert Message.objects.get().text == "mine"
    kept = ProviderEvent.objects.get()
    assert (kept.known, kept.kind, kept.account) == (False, "unverified.InboundMessage", None)


@pytest.mark.django_db
def test_an_unknown_number_is_kept_for_a_person_to_see(account):
    stranger = AccountBuilder.build()
    store(account, wa.messages(stranger, wa.text("hi")))
    receipts_process(now=NOW)
    assert ProviderEvent.objects.get().kind == "unknown_account.InboundMessage"


@pytest.mark.django_db
def test_what_nobody_understands_is_stored(account):
    store(account, wa.body(account, wa.change(account, "brand_new_field", something={"a": 1})))
    receipts_process(now=NOW)
    assert not ProviderEvent.objects.get().known
    assert WebhookReceipt.objects.get().state == "processed"


@pytest.mark.django_db
def test_a_receipt_that_fails_as_a_whole_stays_and_is_given_up_in_the_end(account):
    store(account, wa.messages(account, wa.text("hi")))
    with connection.cursor() as cursor:  # a fault of the database that has nothing to do with any item
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = 'deadlock_detected'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON conversations_message FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    assert [receipts_process(now=NOW) for _ in range(4)] == [0] * 4
    assert WebhookReceipt.objects.get().state == "pending"
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON conversations_message")
    assert receipts_process(now=NOW) == 1
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_first_messages_of_one_new_person_at_once_are_one_person_and_one_conversation(account):
    for round_number in range(5):
        phone = f"8490400{round_number:04d}"
        for words in ("hello", "anybody there?"):
            store(account, wa.messages(account, wa.text(words, phone=phone)))
        gate = threading.Barrier(2)

        def work(gate=gate):
            gate.wait()
            receipts_process(now=NOW)
            connection.close()

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        receipts_process(now=NOW)
    assert not WebhookReceipt.objects.exclude(state="processed").exists()
    assert (Contact.objects.count(), Conversation.objects.count(), Message.objects.count()) == (5, 5, 10)
    assert set(Conversation.objects.values_list("turn", flat=True)) == {2}


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_dies_in_the_middle_of_a_receipt_loses_and_doubles_nothing(account):
    items = [wa.text(f"message {number}", phone=f"8490700{number:04d}") for number in range(9)] + [wa.text("STOP")]
    store(account, wa.messages(account, *items))
    with connection.cursor() as cursor:  # the fifth message takes the whole database session with it
        cursor.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.text = 'message 4' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; "
            "RETURN NEW; END $$"
        )
        cursor.execute("CREATE TRIGGER die BEFORE INSERT ON conversations_message FOR EACH ROW EXECUTE FUNCTION die()")
    try:
        assert receipts_process(now=NOW) == 0
        assert not Message.objects.exists()
        assert WebhookReceipt.objects.get().state == "pending"
        assert Contact.objects.get().consent_withdrawn == ["whatsapp:marketing"]  # the opt-out was committed first
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER die ON conversations_message")
            cursor.execute("DROP FUNCTION die()")
    assert receipts_process(now=NOW) == 1
    assert Message.objects.filter(direction="in").count() == 10
    assert Message.objects.filter(origin="optout_confirmation").count() == 1
    assert ConsentEvent.objects.count() == 1
