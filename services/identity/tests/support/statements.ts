import pg from 'pg';

/** What was asked of the database meanwhile: the statements in order, and how many rows came back in all. */
export interface Recorded {
  readonly texts: readonly string[];
  readonly rows: number;
}

const textOf = (query: unknown): string => {
  if (typeof query === 'string') return query;
  return typeof query === 'object' && query !== null && 'text' in query ? String(query.text) : '';
};

/** What a service does by itself, whoever asks it for what. */
const BACKGROUND =
  /feed_node|pending_receipt|subject_log_head h ON true|LISTEN|scim_exchange|mail_outbox|logout_notice|SET last_used_at/;

/** Watches every connection of this process to PostgreSQL while `work` runs; transactions begin and end uncounted. */
export const recordStatements = async (work: () => Promise<unknown>): Promise<Recorded> => {
  const prototype = pg.Client.prototype as unknown as { query: (...parameters: unknown[]) => unknown };
  const { query } = prototype;
  const texts: string[] = [];
  let rows = 0;
  prototype.query = function (this: unknown, ...parameters: unknown[]) {
    const answer = query.apply(this, parameters);
    const text = textOf(parameters[0]);
    if (text !== '' && !/^(BEGIN|COMMIT|ROLLBACK)/.test(text) && !BACKGROUND.test(text)) {
      texts.push(text.replaceAll(/\s+/g, ' ').trim());
      if (answer instanceof Promise)
        answer.then(
          (result: pg.QueryResult) => {
            rows += Array.isArray(result.rows) ? result.rows.length : 0;
          },
          () => undefined,
        );
    }
    return answer;
  };
  try {
    await work();
  } finally {
    prototype.query = query;
  }
  return { texts, rows };
};
