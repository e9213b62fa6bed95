import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import { STEP_UP_ACTIONS, type SessionSettings, type StepUpAction } from './settings.ts';

/** The settings as every statement that joins the organisation `o` selects them. */
export const SETTINGS_COLUMNS = `o.session_idle_minutes, o.session_absolute_minutes, o.step_up_actions,
  o.step_up_minutes, o.step_up_multi_factor, o.step_up_tokens_allowed`;

export interface SettingsRow {
  readonly session_idle_minutes: number;
  readonly session_absolute_minutes: number;
  readonly step_up_actions: string[];
  readonly step_up_minutes: number;
  readonly step_up_multi_factor: boolean;
  readonly step_up_tokens_allowed: boolean;
}

const isKnown = (action: string): action is StepUpAction => (STEP_UP_ACTIONS as readonly string[]).includes(action);

export const toSettings = (row: SettingsRow): SessionSettings => ({
  idleMinutes: row.session_idle_minutes,
  absoluteMinutes: row.session_absolute_minutes,
  stepUp: {
    actions: row.step_up_actions.filter(isKnown),
    minutes: row.step_up_minutes,
    multiFactor: row.step_up_multi_factor,
    tokensAllowed: row.step_up_tokens_allowed,
  },
});

const FIND_SETTINGS = statement(`SELECT ${SETTINGS_COLUMNS} FROM organization o WHERE o.org_id = $1`);

/** The session settings of an organisation; undefined when there is no such organisation. */
export const findSettings = async (tx: ReadTx, orgId: string): Promise<SessionSettings | undefined> => {
  const [row] = await tx.query<SettingsRow>(FIND_SETTINGS, [orgId]);
  return row === undefined ? undefined : toSettings(row);
};

/** The same, locked until the transaction ends: of two changes at the same time the second sees the first. */
export const lockSettings = async (tx: WriteTx, orgId: string): Promise<SessionSettings | undefined> => {
  const [row] = await tx.query<SettingsRow>(
    `SELECT ${SETTINGS_COLUMNS} FROM organization o WHERE o.org_id = $1 FOR UPDATE`,
    [orgId],
  );
  return row === undefined ? undefined : toSettings(row);
};

export const updateSettings = async (tx: WriteTx, orgId: string, settings: SessionSettings): Promise<void> => {
  const { stepUp } = settings;
  await tx.query(
    `UPDATE organization SET session_idle_minutes = $2, session_absolute_minutes = $3, step_up_actions = $4,
            step_up_minutes = $5, step_up_multi_factor = $6, step_up_tokens_allowed = $7
      WHERE org_id = $1`,
    [
      orgId,
      settings.idleMinutes,
      settings.absoluteMinutes,
      stepUp.actions,
      stepUp.minutes,
      stepUp.multiFactor,
      stepUp.tokensAllowed,
    ],
  );
};

/**
 * Brings the open sessions of an organisation under new limits. Those that were unused for too long under either limit
 * end for good, so that a longer one revives nobody; the others end no later than the new absolute limit. Answers how
 * many ended.
 */
export const applyLimits = async (
  tx: WriteTx,
  limits: {
    readonly orgId: string;
    readonly idleMinutes: number;
    readonly absoluteMinutes: number;
    readonly now: Date;
  },
): Promise<number> => {
  const { orgId, idleMinutes, absoluteMinutes, now } = limits;
  const ended = await tx.query<{ id: string }>(
    `UPDATE browser_session SET ended_at = clock_timestamp(), end_cause = 'session.idle'
      WHERE org_id = $1 AND ended_at IS NULL AND last_used_at <= $3::timestamptz - make_interval(mins => $2)
      RETURNING id`,
    [orgId, idleMinutes, now],
  );
  await tx.query(
    `UPDATE browser_session SET expires_at = least(expires_at, created_at + make_interval(mins => $2))
      WHERE org_id = $1 AND ended_at IS NULL`,
    [orgId, absoluteMinutes],
  );
  return ended.length;
};
