export * from './gen/google/rpc/error_details.ts';
export * from './gen/google/rpc/status.ts';
export { Any } from './gen/google/protobuf/any.ts';
