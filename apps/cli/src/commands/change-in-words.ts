import type { Json } from '../client.ts';
import type { Subject } from './names.ts';
import { limitsOf, type Wording } from './wording.ts';

type Tell = (change: Json, wording: Wording) => Promise<string> | string;

const roleAt = (held: Json, wording: Wording): string => {
  const limits = limitsOf(held);
  const where = `${String(held['role'])} (${wording.place(held['scope'] ?? {})})`;
  return limits === '' ? where : `${where}, ${limits}`;
};

const grantInWords = async (
  grant: Json,
  wording: Wording,
  [give, deny]: readonly [string, string],
): Promise<string> => {
  const verb = grant['effect'] === 'deny' ? deny : give;
  return `${verb} ${await wording.subject(grant['subject'] as Subject)}: ${roleAt(grant, wording)}`;
};

const mappingInWords = async (mapping: Json, wording: Wording, verb: string): Promise<string> => {
  const group = await wording.subject({ type: 'group', id: String(mapping['groupId']) });
  return `${verb} ${group}: ${roleAt(mapping, wording)}`;
};

const roleInWords = (verb: string, key: unknown, role: Json): string => {
  const permissions = role['permissions'] as Readonly<Record<string, readonly string[]>>;
  const places = Object.entries(permissions).filter(([, names]) => names.length > 0);
  return `${verb} the role ${String(key)}: ${places.map(([place, names]) => `${place} ${names.join(' ')}`).join('; ')}`;
};

/** Every kind of change the API knows. */
const TELL: Readonly<Record<string, Tell>> = {
  'grant.create': async ({ grant }, wording) => await grantInWords(grant as Json, wording, ['give to', 'deny to']),
  'grant.delete': async ({ grantId }, wording) => {
    const grant = await wording.grant(String(grantId));
    if (grant === undefined) return `take away the grant ${String(grantId)}`;
    return await grantInWords(grant, wording, ['take away from', 'no longer deny to']);
  },
  'mapping.create': async ({ mapping }, wording) => await mappingInWords(mapping as Json, wording, 'map'),
  'mapping.delete': async ({ mappingId }, wording) => {
    const mapping = await wording.mapping(String(mappingId));
    if (mapping === undefined) return `end the mapping ${String(mappingId)}`;
    return await mappingInWords(mapping, wording, 'no longer map');
  },
  'access-request.approve': async ({ requestId }, wording) => {
    const request = await wording.accessRequest(String(requestId));
    if (request === undefined) return `approve the access request ${String(requestId)}`;
    const requester = await wording.subject(request['requester'] as Subject);
    return `approve what ${requester} asked for: ${roleAt(request, wording)}, because: ${String(request['reason'])}`;
  },
  'role.create': ({ role }) => roleInWords('make', (role as Json)['key'], role as Json),
  'role.update': ({ key, role }) => roleInWords('change', key, role as Json),
  'role.delete': ({ key }) => `delete the role ${String(key)}`,
  'separation-rule.delete': ({ ruleId }) => `end the separation rule ${String(ruleId)}`,
  'review.start': async ({ review }, wording) => {
    const { title, scope, role, reviewers, deadline } = review as Json;
    const what = `${typeof role === 'string' ? `of ${role} ` : ''}(${wording.place(scope ?? {})})`;
    const people = (reviewers as readonly string[]).map((id): Subject => ({ type: 'user', id }));
    const who = people.map(await wording.names(people)).join(', ');
    return `start the review "${String(title)}" ${what} by ${who}, unanswered taken back at ${String(deadline)}`;
  },
  'protection.change': async ({ protectionId, requiredApprovals }, wording) => {
    const protection = await wording.protection(String(protectionId));
    const where = wording.place(protection?.['scope'] ?? {});
    const what = protection === undefined ? String(protectionId) : `of ${where}`;
    return requiredApprovals === 0
      ? `lift the protection ${what}`
      : `demand ${String(requiredApprovals)} approvals by the protection ${what}`;
  },
};

/** A proposed change as one says it. The API knows no other kinds than these; a newer one is shown as it is. */
export const changeInWords = async (change: Json, wording: Wording): Promise<string> => {
  const kind = String(change['kind']);
  const tell = Object.hasOwn(TELL, kind) ? TELL[kind] : undefined;
  return tell === undefined ? kind : await tell(change, wording);
};
