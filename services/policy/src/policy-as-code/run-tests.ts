/** Policy tests: what a policy has to decide, as a file; decided by the service's own decision. */
import type { StandingView } from '@sallyport/subject-feed';
import { z } from 'zod';

import { DecisionPoint, REASONS, type Reason } from '../decide/index.ts';
import { id } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { refuseFile, type FileProblem } from './policy.ts';
import { PlaceNames, placeShape } from './read-document.ts';
import { located, readYaml, type Located } from './read-yaml.ts';

const MAX_CASES = 5_000;

const properties = z
  .record(z.string().max(64), z.unknown())
  .refine((given) => Object.keys(given).length <= 64, 'at most 64 properties');

const caseShape = z.strictObject({
  name: z.string().max(200).optional(),
  subject: z.string().transform((text, context) => {
    const [, type, given] = /^(user|service_account):(.+)$/.exec(text) ?? [];
    const parsed = id.safeParse(given);
    if (type !== undefined && parsed.success) return { type, id: parsed.data };
    context.addIssue({ code: 'custom', message: 'write user:<id> or service_account:<id>' });
    return z.NEVER;
  }),
  action: z.string().min(1).max(256),
  ...placeShape,
  expect: z.enum(['allow', 'deny']),
  reason: z.enum(Object.keys(REASONS) as [Reason, ...Reason[]]).optional(),
  /** As of when times and conditions are looked at; absent: now. */
  at: z.iso
    .datetime({ offset: true })
    .transform((text) => new Date(text))
    .optional(),
  resource: z
    .strictObject({
      type: z.string().max(256).default(''),
      id: z.string().max(256).default(''),
      properties: properties.optional(),
    })
    .optional(),
  subjectProperties: properties.optional(),
  context: properties.optional(),
});

const testsShape = z.strictObject({
  version: z.literal(1).optional(),
  cases: z.array(caseShape).min(1).max(MAX_CASES),
});

export interface TestResult {
  readonly name: string;
  readonly line: number;
  readonly isPassed: boolean;
  readonly expected: string;
  readonly decision: 'allow' | 'deny';
  readonly reason: Reason;
  readonly explanation: string;
  readonly matchedGrant: string | null;
}

/** Nobody acts upon what a test decides. */
const AS_LONG_AS_YOU_LIKE = Number.MAX_SAFE_INTEGER;

const pointAt = (index: OrganizationIndex, standing: StandingView | undefined, at: Date): DecisionPoint =>
  new DecisionPoint({
    knowledge: { look: () => ({ index, standing, standingMs: AS_LONG_AS_YOU_LIKE, grantsMs: AS_LONG_AS_YOU_LIKE }) },
    clock: { now: () => at, monotonicMs: () => 0 },
  });

type Case = z.output<typeof caseShape>;

/** A test file as it was read: plain data. */
export interface TestsFile {
  readonly cases: readonly Located<Case>[];
}

/** @throws INVALID_REQUEST naming lines */
export const parseTests = (text: string): TestsFile => {
  const { value, lines } = readYaml(text, testsShape);
  return { cases: located(lines, 'cases', value.cases) };
};

const requestOf = (
  index: OrganizationIndex,
  test: Case,
  place: { projectId: string | null; environmentId: string | null },
) => ({
  orgId: index.orgId,
  subject: { ...test.subject, epoch: 0n },
  action: test.action,
  projectId: place.projectId ?? '',
  environmentId: place.environmentId ?? '',
  ...(test.resource === undefined ? {} : { resource: { type: test.resource.type, id: test.resource.id } }),
  given: { subject: test.subjectProperties, resource: test.resource?.properties, context: test.context },
});

/**
 * Runs a test file on a policy and on who is who now; a step for each case.
 *
 * @param now when a case names no time
 * @throws INVALID_REQUEST naming lines: a project or environment that is not there
 */
export function* runPolicyTests(
  { cases }: TestsFile,
  index: OrganizationIndex,
  { standing, now }: { readonly standing: StandingView | undefined; readonly now: Date },
): Generator<undefined, readonly TestResult[]> {
  const names = new PlaceNames(index);
  const problems: FileProblem[] = [];
  const results: TestResult[] = [];
  for (const { line, value: test } of cases) {
    yield;
    const place = names.find(test);
    if (typeof place === 'string') {
      problems.push({ line, code: 'UNKNOWN_PLACE', detail: place });
      continue;
    }
    const made = pointAt(index, standing, test.at ?? now).decide(requestOf(index, test, place));
    const decision = made.allowed ? 'allow' : 'deny';
    const isPassed = decision === test.expect && (test.reason === undefined || test.reason === made.reason);
    const expected = test.reason === undefined ? test.expect : `${test.expect} (${test.reason})`;
    const { reason, explanation, matchedGrant } = made;
    const name = test.name ?? `${test.action} by ${test.subject.type}:${test.subject.id}`;
    results.push({ name, line, isPassed, expected, decision, reason, explanation, matchedGrant });
  }
  if (problems.length > 0) throw refuseFile(problems);
  return results;
}
