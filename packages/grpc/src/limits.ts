import type { ChannelOptions } from '@grpc/grpc-js';

/** A silent peer is found within 1.5 s, with or without calls. Proxies in between must allow the interval. */
export const KEEPALIVE: Readonly<ChannelOptions> = {
  'grpc.keepalive_time_ms': 1_000,
  'grpc.keepalive_timeout_ms': 500,
  'grpc.keepalive_permit_without_calls': 1,
};

/** Of one message, in either direction. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** grpc-js has no send limit of its own; the receive limit also caps the decompressed size. */
export const CHANNEL_LIMITS: Readonly<ChannelOptions> = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
};
