import { sqlMigration } from '@sallyport/storage';

// A code or refresh token is written once and changed once, when it is used up. With room beside it that touches none of
// the six indexes.
const ROOM = 'ALTER TABLE provider_artifact SET (fillfactor = 70)';

/** Room for codes and refresh tokens to be used up where they are. */
export const leaveRoomInArtifacts = sqlMigration(40, 'leave-room-in-artifacts', [ROOM]);
