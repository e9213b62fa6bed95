import { certificateEndMs } from './certificate.ts';
import type { SamlFacet } from '../facet/facet-store.ts';

const DAY_MS = 24 * 60 * 60_000;
/** Days before the end at which an alarm is raised anew. */
export const ALARM_DAYS = [30, 14, 7, 1] as const;

export const WARNING_CODES = [
  /** Nobody can sign in. */
  'NO_USABLE_CERTIFICATE',
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_EXPIRES',
  'METADATA_EXPIRED',
  'METADATA_EXPIRES',
  'METADATA_NOT_READ',
] as const;

export type WarningCode = (typeof WARNING_CODES)[number];

/** Something an administrator has to do before, or because, people cannot sign in. */
export interface FacetWarning {
  readonly code: WarningCode;
  readonly detail: string;
  /** When it ends, or ended; null where that is no matter of time. */
  readonly at: Date | null;
  /** The alarm it has reached: 30, 14, 7, 1 or, once it is over, 0 days. */
  readonly alarmDays: number;
}

/** What is about to end, has ended or could not be read of a connection. Pure; worst first. */
export const warningsOf = (facet: SamlFacet, now: Date): FacetWarning[] => [
  ...certificateWarnings(facet.certificates, now),
  ...metadataWarnings(facet.metadata, now),
];

/** The alarm that so much time has reached; null while it is far away. */
export const alarmOf = (endMs: number, now: Date): number | null => {
  const leftMs = endMs - now.getTime();
  if (leftMs <= 0) return 0;
  return ALARM_DAYS.filter((days) => leftMs <= days * DAY_MS).at(-1) ?? null;
};

const certificateWarnings = (certificates: readonly string[], now: Date): FacetWarning[] => {
  const ends = certificates.map(certificateEndMs).sort((left, right) => left - right);
  const lastMs = ends.at(-1) ?? 0;
  if (lastMs <= now.getTime()) {
    const detail = 'Every signing certificate of the identity provider has expired: nobody can sign in.';
    return [{ code: 'NO_USABLE_CERTIFICATE', detail, at: new Date(lastMs), alarmDays: 0 }];
  }
  return ends.flatMap((endMs): FacetWarning[] => {
    const alarmDays = alarmOf(endMs, now);
    if (alarmDays === null) return [];
    const at = new Date(endMs);
    return alarmDays === 0
      ? [{ code: 'CERTIFICATE_EXPIRED', detail: 'A signing certificate has expired and is refused.', at, alarmDays }]
      : [{ code: 'CERTIFICATE_EXPIRES', detail: certificateDetail(endMs === lastMs), at, alarmDays }];
  });
};

const certificateDetail = (isLast: boolean): string =>
  isLast
    ? 'The last signing certificate expires: without a new one nobody can sign in from then on.'
    : 'A signing certificate expires; another one is in place.';

const metadataWarnings = ({ validUntil, problem }: SamlFacet['metadata'], now: Date): FacetWarning[] => {
  const warnings: FacetWarning[] = [];
  const alarmDays = validUntil === null ? null : alarmOf(validUntil.getTime(), now);
  // Metadata that is read again is given short lives on purpose.
  if (alarmDays !== null && alarmDays <= 1) {
    const detail =
      'Sign-in goes on with the last copy of the metadata, which the identity provider no longer vouches for.';
    const isOver = alarmDays === 0;
    warnings.push({ code: isOver ? 'METADATA_EXPIRED' : 'METADATA_EXPIRES', detail, at: validUntil, alarmDays });
  }
  if (problem !== null) warnings.push({ code: 'METADATA_NOT_READ', detail: problem, at: null, alarmDays: 7 });
  return warnings;
};
