// A process of its own: @boxyhq/saml-jackson's directory sync behind the least HTTP server there can be.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import process from 'node:process';

interface Jackson {
  readonly directorySyncController: {
    readonly directories: {
      create(directory: object): Promise<{ data: { id: string; scim: { secret: string } } | null; error: unknown }>;
    };
    readonly requests: {
      handle(request: object): Promise<{ status: number; data?: unknown }>;
    };
  };
}

const [installation = '', url = ''] = process.argv.slice(2);
const { controllers } = createRequire(`${installation}/package.json`)('@boxyhq/saml-jackson') as {
  controllers(options: object): Promise<Jackson>;
};
const { directorySyncController } = await controllers({
  externalUrl: 'http://localhost:5225',
  samlPath: '/api/oauth/saml',
  noAnalytics: true,
  db: { engine: 'sql', type: 'postgres', url, pageLimit: 50 },
});
const { data: directory } = await directorySyncController.directories.create({
  tenant: 'bench',
  product: 'bench',
  name: 'bench',
  type: 'okta-scim-v2',
});
if (directory === null) throw new Error('the peer made no directory');

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    directorySyncController.requests
      .handle({
        method: 'POST',
        body: JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown,
        directoryId: directory.id,
        resourceType: 'users',
        resourceId: undefined,
        apiSecret: request.headers.authorization?.slice('Bearer '.length) ?? null,
        query: {},
      })
      .then(
        ({ status, data }) => {
          response.writeHead(status, { 'content-type': 'application/scim+json' });
          response.end(JSON.stringify(data));
        },
        (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
      );
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0, secret: directory.scim.secret });
});
