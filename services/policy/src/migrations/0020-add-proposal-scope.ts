import { sqlMigration } from '@sallyport/storage';

// Where whoever agrees to a proposal needs their permission, so that they find it. Unknown of what was proposed before:
// only who may see every grant is shown that.
const columns = `
  ALTER TABLE proposal ADD COLUMN project_id uuid, ADD COLUMN environment_id uuid;
  GRANT UPDATE (project_id, environment_id) ON proposal TO sallyport_policy;
`;

export const addProposalScope = sqlMigration(20, 'add-proposal-scope', [columns]);
