import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('access', '0001_initial'),
    ]

    operations = [
        # No key was ever issued without an actor: the table is empty here.
        migrations.AddField(
            model_name='apikey',
            name='acts_as',
            field=models.OneToOneField(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='api_key', to=settings.AUTH_USER_MODEL, verbose_name='acts as'),
        ),
        migrations.AddField(
            model_name='idempotencyrecord',
            name='started_at',
            field=models.DateTimeField(),
        ),
        migrations.AlterField(
            model_name='idempotencyrecord',
            name='created_at',
            field=models.DateTimeField(),
        ),
    ]
