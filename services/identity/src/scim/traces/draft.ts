import { AsyncLocalStorage } from 'node:async_hooks';

import type { AuditedTx, AuditLog } from '@sallyport/audit';

import type { KnownCredential } from '../limits/index.ts';
import type { ExchangeChange } from './exchange.ts';

const MAX_CHANGES = 100;

/** An exchange while its request is served. */
export class ExchangeDraft {
  /** Whose request it is; without one there is nobody to show it to, and nothing is kept. */
  credential: KnownCredential | undefined;
  profile: string | null = null;
  body: unknown;
  /** Of an answer that says more than its status. */
  detail: string | null = null;
  /** The resource a request without an id in its path was about. */
  resourceId: string | null = null;
  readonly changes: ExchangeChange[] = [];

  note(change: ExchangeChange): void {
    if (this.changes.length < MAX_CHANGES) this.changes.push(change);
  }
}

// Commands return what they changed, not what was recorded of it, and a Bulk request is many commands: the audit log is
// the one place all changes pass, and it knows nothing of requests.
const current = new AsyncLocalStorage<ExchangeDraft>();

/** Does work of a request: what it changes is noted in its draft. */
export const withDraft = async <T>(draft: ExchangeDraft, work: () => Promise<T>): Promise<T> =>
  await current.run(draft, work);

/** Does work of no request alone, or of several: what it changes is noted by them, with {@link noteChange}. */
export const withoutDraft = async <T>(work: () => Promise<T>): Promise<T> => await current.exit(work);

/** Notes a change in the draft of the request being served. */
export const noteChange = (change: ExchangeChange): void => {
  current.getStore()?.note(change);
};

/** The same audit log, which also tells the draft of the request being served what was changed. */
export const noticing = (audit: AuditLog): AuditLog => {
  const mutate: AuditLog['mutate'] = async (context, work) => {
    const draft = current.getStore();
    if (draft === undefined) return await audit.mutate(context, work);
    const recorded: Omit<ExchangeChange, 'index'>[] = [];
    const result = await audit.mutate(context, async (tx) => {
      const record: AuditedTx['record'] = (event, of) => {
        tx.record(event, of);
        recorded.push({ action: event.action, targetType: event.target.type, targetId: event.target.id });
      };
      return await work(Object.create(tx, { record: { value: record } }) as AuditedTx);
    });
    for (const [number, { index }] of result.receipts.entries()) {
      const change = recorded[number];
      if (change !== undefined) draft.note({ index: index.toString(), ...change });
    }
    return result;
  };
  return {
    mutate,
    recordDenied: (context, event) => audit.recordDenied(context, event),
    createOrganization: (tx, orgId) => audit.createOrganization(tx, orgId),
    list: (orgId, filter) => audit.list(orgId, filter),
    exportLines: (orgId, range) => audit.exportLines(orgId, range),
    size: (orgId) => audit.size(orgId),
  };
};
