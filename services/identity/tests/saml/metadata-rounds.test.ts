import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { startSamlMaintenance } from '../../src/saml/index.ts';
import { SamlScene } from './scene.ts';

describe('metadata that is due', () => {
  let scene: SamlScene;
  let server: Server;
  const waiting: ServerResponse[] = [];
  let wanted: number;

  before(async () => {
    scene = await SamlScene.start({ config: { allowInsecurePrivateFetch: true } });
    server = createServer((_request, response) => {
      waiting.push(response);
      if (waiting.length === wanted) for (const each of waiting) each.writeHead(503).end();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await scene.close();
  });

  it('is read together: an address that takes its time holds up nobody else', async () => {
    const others = await Promise.all(
      ['b', 'c', 'd'].map(async (name) => (await scene.api('POST', '/connections', { name })).body.id),
    );
    const connections = [scene.connectionId, ...others];
    wanted = connections.length;
    for (const id of others) await scene.putFacet(id, {});
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await scene.identity.admin(
      `UPDATE identity.saml_facet
          SET metadata_url = $1 || connection_id, metadata_xml = '', metadata_due_at = clock_timestamp() - interval '1 second'`,
      [`${origin}/`],
    );
    const maintenance = startSamlMaintenance(scene.identity.context);
    await maintenance.run();
    await maintenance.stop();
    for (const id of connections) {
      const { metadata } = (await scene.api('GET', `/connections/${id}/saml`)).body as unknown as {
        readonly metadata: { readonly problem: string };
      };
      assert.match(metadata.problem, /answered 503/);
    }
  });

  it('is read on request sixty times in a quarter of an hour, whichever way, for one organisation', async () => {
    const path = `/connections/${scene.connectionId}/saml`;
    const given = async (): Promise<number> =>
      (await scene.api('PUT', path, { metadataUrl: 'http://127.0.0.1:9/' })).status;
    for (let count = 0; count < 60; count += 1) assert.equal(await given(), 400);
    assert.deepEqual([await given(), (await scene.api('POST', `${path}/refresh`)).status], [429, 429]);
    await scene.putFacet(scene.connectionId, {}); // What is uploaded is fetched from nowhere.
  });
});
