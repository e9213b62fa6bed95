/**
 * What an organisation's administrators should look at: too few Owners, people who hold what excludes each other, rows
 * that make no sense. Told over HTTP, and by log and metrics without anybody asking.
 */
import { route, type Route } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type { Standing } from '@sallyport/subject-feed';
import type { Metrics } from '@sallyport/telemetry';
import { z } from 'zod';

import {
  administratorOf,
  newViolations,
  ownersOf,
  populationOf,
  violationsOf,
  type GrantKnowledge,
  type Violation,
} from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import type { RoleRouteDependencies } from './routes.ts';

/** One Owner is enforced; with two, one of them can be away. */
export const ADVISED_OWNERS = 2;

interface Findings {
  readonly owners: number;
  readonly violations: readonly Violation[];
}

const findingsOf = (index: OrganizationIndex, standing: Standing, nowMs: number): Findings => {
  const population = populationOf(standing, index.orgId);
  return { owners: ownersOf(index, population).size, violations: violationsOf(index, population, nowMs) };
};

const adviceShape = z.object({
  code: z.enum(['FEW_OWNERS', 'SEPARATION_VIOLATED', 'ROWS_QUARANTINED']),
  count: z.number(),
  detail: z.string(),
});

type Advice = z.input<typeof adviceShape>;

const fewOwners = (count: number): Advice[] =>
  count >= ADVISED_OWNERS
    ? []
    : [{ code: 'FEW_OWNERS', count, detail: 'Have at least two Owners, so that one of them can be away.' }];

const violated = (count: number): Advice[] =>
  count === 0 ? [] : [{ code: 'SEPARATION_VIOLATED', count, detail: 'Somebody holds roles that exclude each other.' }];

const quarantined = (count: number): Advice[] =>
  count === 0
    ? []
    : [
        {
          code: 'ROWS_QUARANTINED',
          count,
          detail: 'Stored rows make no sense and are left out, or hold decisions up.',
        },
      ];

/** What the organisation's administrators should look at. */
export const adviceRoute = ({ knowledge, standing, clock }: RoleRouteDependencies): Route =>
  route({
    method: 'GET',
    path: '/api/policy/v1/advice',
    permission: 'grant:read',
    surface: 'api',
    summary: 'What administrators should look at: too few Owners, roles that exclude each other, unreadable rows.',
    responses: { 200: z.object({ items: z.array(adviceShape), nextCursor: z.null() }) },
    handler: async ({ context }) => {
      const { orgId } = administratorOf(context).principal;
      const { index, quarantined: rows } = knowledge.status(orgId);
      const findings = index === undefined ? undefined : findingsOf(index, standing, clock.now().getTime());
      const items = [
        ...fewOwners(findings?.owners ?? 0),
        ...violated(findings?.violations.length ?? 0),
        ...quarantined(rows.length),
      ];
      return await Promise.resolve({ status: 200, body: { items, nextCursor: null } });
    },
  });

/** Where alarms go. */
export interface AlarmLog {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface AdvisorOptions {
  readonly knowledge: Pick<GrantKnowledge, 'snapshot'>;
  readonly standing: Standing;
  readonly clock: Clock;
  readonly logger: AlarmLog;
  readonly metrics: Metrics;
}

interface Looked extends Findings {
  readonly index: OrganizationIndex;
  readonly position: bigint;
}

const EVERY_MS = 10_000;

/**
 * Looks at every organisation in memory whose grants or people changed, and raises the alarm for what is new: somebody
 * holds what excludes each other, an organisation has fewer Owners than advised.
 */
export class Advisor {
  readonly #options: AdvisorOptions;
  readonly #gauges;
  #looked: ReadonlyMap<string, Looked> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AdvisorOptions) {
    this.#options = options;
    this.#gauges = {
      violations: options.metrics.gauge({
        name: 'separation_violations_count',
        help: 'Subjects who hold roles that exclude each other, by rule, in the organisations in memory',
      }),
      fewOwners: options.metrics.gauge({
        name: 'organizations_with_few_owners_count',
        help: 'Organisations in memory with fewer than two active Owners without a limit',
      }),
    };
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.look();
    }, EVERY_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const { knowledge, standing } = this.#options;
    const next = new Map<string, Looked>();
    for (const [orgId, index] of knowledge.snapshot.organizations) {
      const known = this.#looked.get(orgId);
      const position = standing.position(orgId);
      const isSame = known?.index === index && known.position === position;
      next.set(orgId, isSame ? known : this.#lookAt(known, index, position));
    }
    this.#looked = next;
    const all = [...next.values()];
    this.#gauges.violations.set(all.reduce((sum, { violations }) => sum + violations.length, 0));
    this.#gauges.fewOwners.set(all.filter(({ owners }) => owners < ADVISED_OWNERS).length);
  }

  #lookAt(known: Looked | undefined, index: OrganizationIndex, position: bigint): Looked {
    const { standing, clock, logger } = this.#options;
    const { orgId } = index;
    const found = findingsOf(index, standing, clock.now().getTime());
    for (const violation of newViolations(known?.violations ?? [], found.violations))
      logger.error({ orgId, violation }, 'somebody holds roles that exclude each other');
    if (found.owners < ADVISED_OWNERS && (known === undefined || known.owners >= ADVISED_OWNERS))
      logger.warn({ orgId, owners: found.owners }, 'an organisation has fewer than two Owners');
    return { index, position, ...found };
  }
}
