/**
 * Who calls, and asking policy about them.
 *
 * Owns: the caller a command is given, how permissions are asked for, the clients to identity and policy, recording
 * denials. Does not own: any decision (policy) and any permission a command needs (each command names its own).
 */
export {
  type Caller,
  callerOf,
  type Decisions,
  decisionsFrom,
  describeDecision,
  environmentsWith,
  readableEnvironments,
  requireIn,
} from './caller.ts';
export { decide, recordDenied } from './authorize.ts';
export { connectPeers, type PeerOptions, type Peers, type WireScope } from './peers.ts';
