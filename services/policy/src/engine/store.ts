import type { WriteTx } from '@sallyport/storage';

import type { Engine } from '../model/index.ts';

/** What decides for the organisation now. */
export const findEngine = async (tx: WriteTx, orgId: string): Promise<Engine> => {
  const [row] = await tx.query<{ engine: Engine }>('SELECT engine FROM decision_engine WHERE org_id = $1', [orgId]);
  return row?.engine ?? 'index';
};

export const putEngine = async (tx: WriteTx, orgId: string, engine: Engine, now: Date): Promise<void> => {
  await tx.query(
    `INSERT INTO decision_engine (org_id, engine, changed_at) VALUES ($1, $2, $3)
     ON CONFLICT (org_id) DO UPDATE SET engine = excluded.engine, changed_at = excluded.changed_at`,
    [orgId, engine, now],
  );
};
