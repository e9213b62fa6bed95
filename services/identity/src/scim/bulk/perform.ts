import type { IdentityContext } from '../../context.ts';
import type { ScimCaller } from '../caller.ts';
import { locationOf as groupLocation } from '../groups/render.ts';
import { createScimGroup, deleteScimGroup, patchScimGroup, replaceScimGroup } from '../groups/write-group.ts';
import { etagOf } from '../request.ts';
import { createUser } from '../users/create-user.ts';
import { locationOf as userLocation } from '../users/user.ts';
import { deleteUser, patchUser, replaceUser } from '../users/write-user.ts';
import type { BulkCall, BulkMethod } from './bulk-request.ts';

/** What a call came to. */
export interface Performed {
  readonly id: string;
  /** As the same request alone would be answered. */
  readonly status: number;
  /** Undefined after a DELETE. */
  readonly version: string | undefined;
}

type Command = (
  service: IdentityContext,
  caller: ScimCaller,
  call: BulkCall,
) => Promise<{ readonly id: string; readonly version: bigint } | undefined>;

const COMMANDS: Readonly<Record<BulkCall['endpoint'], Readonly<Record<BulkMethod, Command>>>> = {
  '/Users': {
    POST: async (service, caller, { data }) => await createUser(service, caller, data),
    PUT: async (service, caller, call) => await replaceUser(service, caller, call, call.data),
    PATCH: async (service, caller, call) => await patchUser(service, caller, call, call.data),
    DELETE: async (service, caller, call) => {
      await deleteUser(service, caller, call);
      return undefined;
    },
  },
  '/Groups': {
    POST: async (service, caller, { data }) => await createScimGroup(service, caller, data),
    PUT: async (service, caller, call) => await replaceScimGroup(service, caller, call, call.data),
    PATCH: async (service, caller, call) => await patchScimGroup(service, caller, call, call.data),
    DELETE: async (service, caller, call) => {
      await deleteScimGroup(service, caller, call);
      return undefined;
    },
  },
};

const statusOf = ({ method, endpoint }: BulkCall): number => {
  if (method === 'POST') return 201;
  return method === 'DELETE' || (method === 'PATCH' && endpoint === '/Groups') ? 204 : 200;
};

/**
 * Does what the same request to `/Users` or `/Groups` would do: the same command, with its own transaction, its own
 * audit entries and its own errors.
 */
export const perform = async (service: IdentityContext, caller: ScimCaller, call: BulkCall): Promise<Performed> => {
  const after = await COMMANDS[call.endpoint][call.method](service, caller, call);
  return {
    id: after?.id ?? call.id,
    status: statusOf(call),
    version: after === undefined ? undefined : etagOf(after.version),
  };
};

/** The address of a resource. */
export const bulkLocation = (origin: string, { endpoint, id }: Pick<BulkCall, 'endpoint' | 'id'>): string =>
  endpoint === '/Users' ? userLocation(origin, id) : groupLocation(origin, id);
