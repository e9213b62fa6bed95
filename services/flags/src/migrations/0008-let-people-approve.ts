import { sqlMigration } from '@sallyport/storage';

// A machine answers to whoever holds its token: its approval would be a second voice of the same person. It may object.
const reviews = `
  ALTER TABLE change_review ADD CONSTRAINT change_review_people_approve
    CHECK (verdict <> 'approve' OR reviewer_type = 'user') NOT VALID;
`;

export const letPeopleApprove = sqlMigration(8, 'let-people-approve', [reviews]);
