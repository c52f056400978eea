# One image for every role; compose.yaml says which command each runs.
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
# Secrets are not needed to collect files; these throw-away values never reach a running container.
RUN REKINDLE_ENV=development DATABASE_URL=postgres://build/build REDIS_URL=redis://build \
      python manage.py collectstatic --no-input --verbosity 0 \
 && pybabel --quiet compile --domain django --directory config/locale \
 && useradd --system --uid 10001 rekindle && chown -R rekindle var
USER rekindle
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "--no-ws", "--respawn-failed-workers", "config.wsgi:application"]
