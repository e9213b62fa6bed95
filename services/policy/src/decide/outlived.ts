import type { SubjectStanding } from '@sallyport/subject-feed';

import type { OrganizationIndex } from '../model/index.ts';

/**
 * True while the index holds a role that was given to this subject up to its last removal. Its directory may have
 * brought the same subject back since; what it was given in an earlier life must not come back with it.
 */
export const holdsOutlived = (
  index: OrganizationIndex,
  subjectId: string,
  { type, removedEpoch }: Pick<SubjectStanding, 'type' | 'removedEpoch'>,
): boolean => {
  if (removedEpoch === undefined) return false;
  const oldest = index.subjects[type].get(subjectId)?.oldestEpoch ?? Number.POSITIVE_INFINITY;
  return oldest <= Number(removedEpoch);
};
