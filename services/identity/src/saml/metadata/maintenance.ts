import { startRounds } from '@sallyport/service';
import { newId } from '@sallyport/storage';

import type { IdentityContext } from '../../context.ts';
import { certificateEndMs } from './certificate.ts';
import { listSamlFacets, takeDueMetadata, type SamlFacet } from '../facet/facet-store.ts';
import { nextReading } from './fetch-metadata.ts';
import { deleteExpiredLogouts } from '../logout/logout-store.ts';
import { refreshMetadata } from './refresh-metadata.ts';
import { alarmOf, WARNING_CODES, warningsOf, type WarningCode } from './warnings.ts';

const INTERVAL_MS = 10 * 60_000;
const FACETS_PER_PAGE = 100;
const READINGS_AT_ONCE = 20;

/** Periodic work of the slice, each part of which can be run at any time and on any number of nodes. */
export interface SamlMaintenance {
  /** One round: metadata that is due, warnings, expired state. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the rounds, every ten minutes. Nothing that is decided depends on their being timely. */
export const startSamlMaintenance = (context: IdentityContext): SamlMaintenance => {
  const alarms = new Alarms(context);
  const run = async (): Promise<void> => {
    await refreshDue(context);
    await alarms.raise();
    const now = context.clock.now();
    await context.db.unauditedWrite('all-organizations', 'expired state of logouts', async (tx) => {
      await deleteExpiredLogouts(tx, now);
    });
  };
  const stop = startRounds({
    everyMs: INTERVAL_MS,
    work: run,
    onError: (error) => {
      context.logger.warn({ err: error }, 'a round of SAML maintenance failed');
    },
  });
  return { run, stop };
};

const refreshDue = async (context: IdentityContext): Promise<void> => {
  for (;;) {
    const now = context.clock.now();
    // Put off as if it had failed: a process that dies in between costs an hour, never the connection.
    const due = { now, nextAt: nextReading(now, 'failed'), limit: READINGS_AT_ONCE };
    const facets = await context.db.unauditedWrite('all-organizations', 'metadata that is due', async (tx) => {
      return await takeDueMetadata(tx, due);
    });
    // Together: an address that takes its time holds up nobody else's keys.
    await Promise.all(facets.map(async (facet) => await refreshOne(context, facet)));
    if (facets.length < READINGS_AT_ONCE) return;
  }
};

const refreshOne = async (context: IdentityContext, facet: SamlFacet): Promise<void> => {
  const actor = { type: 'system', id: 'identity' } as const;
  const audit = { orgId: facet.orgId, actor, requestId: newId() };
  try {
    await refreshMetadata(context, { audit, decide: () => Promise.resolve(null) }, facet);
  } catch (error) {
    context.logger.warn({ err: error, connectionId: facet.connectionId }, 'metadata could not be refreshed');
  }
};

/** Warnings as metrics and log lines; each line once per alarm and process. */
class Alarms {
  readonly #context: IdentityContext;
  #logged = new Map<string, number>();

  constructor(context: IdentityContext) {
    this.#context = context;
  }

  async raise(): Promise<void> {
    const counts = new Map<WarningCode, number>(WARNING_CODES.map((code) => [code, 0]));
    const seen = new Map<string, number>();
    let soonestMs = Number.POSITIVE_INFINITY;
    for await (const facet of this.#facets()) {
      // What counts is when the last certificate goes: until then the connection works.
      soonestMs = Math.min(soonestMs, Math.max(...facet.certificates.map(certificateEndMs)));
      for (const warning of warningsOf(facet, this.#context.clock.now())) {
        counts.set(warning.code, (counts.get(warning.code) ?? 0) + 1);
        const { code, detail, alarmDays, at } = warning;
        const key = `${facet.connectionId} ${code} ${at?.toISOString() ?? ''}`;
        const line = { orgId: facet.orgId, connectionId: facet.connectionId, code, at, alarmDays };
        this.#log(seen, { key, alarmDays, line, text: detail });
      }
    }
    this.#ownCertificates(seen);
    this.#logged = seen;
    this.#publish(counts, soonestMs);
  }

  async *#facets(): AsyncGenerator<SamlFacet> {
    let after: string | null = null;
    for (;;) {
      const page: { after: string | null; limit: number } = { after, limit: FACETS_PER_PAGE };
      const facets: SamlFacet[] = await this.#context.db.readAcrossOrganizations('expiry of certificates', (tx) =>
        listSamlFacets(tx, page),
      );
      yield* facets;
      if (facets.length < FACETS_PER_PAGE) return;
      after = facets.at(-1)?.connectionId ?? null;
    }
  }

  #ownCertificates(seen: Map<string, number>): void {
    const { signingCertificates, decryption } = this.#context.samlServiceProvider;
    for (const pem of [...signingCertificates, ...decryption.map(({ certificate }) => certificate)]) {
      const endMs = certificateEndMs(pem);
      const alarmDays = alarmOf(endMs, this.#context.clock.now());
      if (alarmDays === null) continue;
      const at = new Date(endMs);
      const text = 'a certificate of our SAML service provider expires; rotate it';
      this.#log(seen, { key: `own ${at.toISOString()}`, alarmDays, line: { at, alarmDays }, text });
    }
  }

  #log(
    seen: Map<string, number>,
    alarm: { readonly key: string; readonly alarmDays: number; readonly line: object; readonly text: string },
  ): void {
    seen.set(alarm.key, alarm.alarmDays);
    if (this.#logged.get(alarm.key) === alarm.alarmDays) return;
    this.#context.logger.warn(alarm.line, alarm.text);
  }

  #publish(counts: ReadonlyMap<WarningCode, number>, soonestMs: number): void {
    const { metrics, clock, samlServiceProvider: sp } = this.#context;
    const nowMs = clock.now().getTime();
    const warnings = metrics.gauge({
      name: 'saml_warnings_count',
      help: 'Warnings about SAML connections by code.',
      labels: ['code'],
    });
    for (const [code, count] of counts) warnings.set({ code }, count);
    const left = metrics.gauge({
      name: 'saml_certificate_left_seconds',
      help: 'Time until the first connection has no certificate left (idp), or ours expires (sp).',
      labels: ['of'],
    });
    const ownMs = Math.min(...sp.signingCertificates.map(certificateEndMs));
    if (Number.isFinite(soonestMs)) left.set({ of: 'idp' }, (soonestMs - nowMs) / 1_000);
    left.set({ of: 'sp' }, (ownMs - nowMs) / 1_000);
  }
}
