import assert from 'node:assert/strict';

import { Server, ServerCredentials, credentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import {
  DecisionServiceClient,
  DecisionServiceService,
  type CheckRequest,
  type CheckResponse,
} from '@sallyport/proto/policy/v1';

import { PeerIdentities, http2StreamOf } from '../src/peer.ts';
import { DEPLOYMENT, World, answer, decisionService, question } from './world.ts';

describe('what is used of the inside of grpc-js', () => {
  it('still leads from a call to its HTTP/2 stream and connection', async () => {
    const server = new Server();
    const found: (object | undefined)[] = [];
    server.register(
      DecisionServiceService.check.path,
      (call: ServerUnaryCall<CheckRequest, CheckResponse>, respond: sendUnaryData<CheckResponse>) => {
        const stream = http2StreamOf(call);
        assert.equal(typeof stream?.close, 'function');
        found.push(stream?.session);
        respond(null, answer(''));
      },
      DecisionServiceService.check.responseSerialize,
      DecisionServiceService.check.requestDeserialize,
      'unary',
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    const client = new DecisionServiceClient(`127.0.0.1:${String(port)}`, credentials.createInsecure());
    try {
      for (let count = 0; count < 2; count += 1) {
        await new Promise((resolve, reject) => {
          client.check(question(), (error, response) => {
            if (error === null) resolve(response);
            else reject(error);
          });
        });
      }
      assert.equal(found.length, 2);
      assert.ok(found[0] !== undefined && found[0] === found[1], 'one connection, one session');
    } finally {
      client.close();
      server.forceShutdown();
    }
  });

  it('finds the peer without it, too, only slower', () => {
    let asked = 0;
    const call = {
      getAuthContext: () => {
        asked += 1;
        return { sslPeerCertificate: { subjectaltname: `URI:spiffe://${DEPLOYMENT}/service/flags` } };
      },
    };
    const identities = new PeerIdentities(DEPLOYMENT);
    for (let count = 0; count < 3; count += 1) assert.equal(identities.of(call as never), 'flags');
    assert.equal(asked, 3, 'nothing is remembered that could be mixed up');
  });

  it('asks TLS for the certificate once per connection', async () => {
    const world = await World.create();
    try {
      const peers: string[] = [];
      const { port } = await world.server([
        decisionService(
          (_request, call) => {
            peers.push(call.peer);
            return Promise.resolve(answer(''));
          },
          ['flags', 'identity'],
        ),
      ]);
      // Two callers at once: what is remembered of one connection must never name the other.
      const flags = await world.decisionClient(port);
      const identity = await world.decisionClient(port, { tls: await world.certificate('identity') });
      for (const client of [flags, identity, flags, identity]) {
        await client.unary('check', question(), { deadlineMs: 10_000 });
      }
      assert.deepEqual(peers, ['flags', 'identity', 'flags', 'identity']);
    } finally {
      await world.dispose();
    }
  });
});
