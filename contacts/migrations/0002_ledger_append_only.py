from django.db import migrations

REFUSE = """
CREATE FUNCTION contacts_consentevent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A user account may be removed; what the person agreed to may not change.
    IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL AND (to_jsonb(NEW) - 'actor_id') = (to_jsonb(OLD) - 'actor_id') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the consent ledger is append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER contacts_consentevent_append_only BEFORE UPDATE OR DELETE ON contacts_consentevent
    FOR EACH ROW EXECUTE FUNCTION contacts_consentevent_refuse();
"""
ALLOW = """
DROP TRIGGER contacts_consentevent_append_only ON contacts_consentevent;
DROP FUNCTION contacts_consentevent_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("contacts", "0001_initial")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
