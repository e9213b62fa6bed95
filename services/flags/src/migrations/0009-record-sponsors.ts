import { sqlMigration } from '@sallyport/storage';

// What a machine writes was written for the people behind it: who owns it, and who issued its credential. They are
// recorded with the revision, as they were then, and review it no more than if they had written it themselves.
const sponsors = `
  ALTER TABLE change_revision ADD COLUMN author_sponsors uuid[] NOT NULL DEFAULT '{}';
  GRANT INSERT (author_sponsors) ON change_revision TO sallyport_flags;

  CREATE FUNCTION refuse_sponsors() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF EXISTS (SELECT FROM change_revision v WHERE v.org_id = NEW.org_id AND v.change_id = NEW.change_id
                AND NEW.reviewer_id = ANY (v.author_sponsors)) THEN
      RAISE EXCEPTION 'nobody reviews what a machine of theirs has written' USING ERRCODE = 'FLSLF';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER change_review_of_sponsors BEFORE INSERT OR UPDATE ON change_review
    FOR EACH ROW EXECUTE FUNCTION refuse_sponsors();
`;

export const recordSponsors = sqlMigration(9, 'record-sponsors', [sponsors]);
