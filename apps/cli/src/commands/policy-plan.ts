import { Command } from 'commander';

import type { Client, Json } from '../client.ts';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import type { Session, SessionOf } from '../run.ts';
import { POLICY_SOURCE, readPolicy } from './policy-files.ts';

const SIGNS: Readonly<Record<string, string>> = { add: '+', change: '~', remove: '-' };

interface Plan extends Json {
  readonly hash: string;
  readonly operations: readonly Json[];
  readonly counts: Readonly<Record<string, number>>;
  readonly blocked: readonly Json[];
  readonly lockOuts: readonly Json[];
}

const show = (output: Output, plan: Plan): void => {
  if (output.json) {
    output.data(plan);
    return;
  }
  for (const { action, what, text } of plan.operations)
    output.line(`${SIGNS[String(action)] ?? '?'} ${String(what)} ${String(text)}`);
  if (plan.operations.length === 0) {
    output.line('The policy is as the file says.');
    return;
  }
  const { subjects = 0, gains = 0, losses = 0, conditional = 0 } = plan.counts;
  const times = `${String(gains)} gained, ${String(losses)} lost, ${String(conditional)} changed on a condition or for a time`;
  output.line(`For ${String(subjects)} subjects: ${times}.`);
  for (const { detail, rule } of plan.blocked) output.note(`refused: ${String(detail)} (${String(rule)})`);
  if (plan.lockOuts.length > 0)
    output.note(`locked out: in ${String(plan.lockOuts.length)} places nobody could give or take roles any more.`);
  output.line(`Plan ${plan.hash}`);
};

const endOf = ({ exit }: Session, { blocked }: Plan): void => {
  if (blocked.length > 0) exit(EXIT.conflict);
};

const planOf = async (client: Client, policy: Json): Promise<Plan> =>
  await client.post<Plan>('/api/policy/v1/policy/plan', policy);

export const planCommand = (sessionOf: SessionOf): Command =>
  new Command('plan')
    .description('Says what would change if the policy were as a file says. Ends with 6 when rules would refuse it.')
    .argument('<policy>', POLICY_SOURCE)
    .action(async (path: string, _options: object, command: Command) => {
      const session = sessionOf(command);
      const plan = await planOf(session.client(), readPolicy(path));
      show(session.output, plan);
      endOf(session, plan);
    });

export const applyCommand = (sessionOf: SessionOf): Command =>
  new Command('apply')
    .description('Makes the policy what a file says: all of it or nothing.')
    .argument('<policy>', POLICY_SOURCE)
    .option('--plan <hash>', 'only if it is still this plan (default: whatever is planned now)')
    .action(async (path: string, options: { readonly plan?: string }, command: Command) => {
      const session = sessionOf(command);
      const client = session.client();
      const policy = readPolicy(path);
      const plan = options.plan === undefined ? await planOf(client, policy) : null;
      if (plan !== null && !session.output.json) show(session.output, plan);
      const applied = await client.post('/api/policy/v1/policy/apply', { policy, hash: plan?.hash ?? options.plan });
      if (session.output.json) session.output.data(applied);
      else session.output.line(`Applied ${String(applied['applied'])} changes.`);
    });
