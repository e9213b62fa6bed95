import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import { assertSendable, createFileMailer, createSmtpMailer, isMailAddress, type Mailer } from './index.ts';

const FROM = 'no-reply@sallyport.example';
const message = { to: 'wren@acme.example', subject: 'Reset your password – now', text: 'A link:\nhttps://x/#abc' };

/** A mail server of a few lines: says what it is told to, keeps what it hears. */
const startSmtp = async (answers: { rcpt?: string; starttls?: boolean } = {}) => {
  const commands: string[] = [];
  const mails: string[] = [];
  const sockets = new Set<Socket>();
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    let data: string[] | null = null;
    let rest = '';
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const hear = (line: string): void => {
      if (data !== null) {
        if (line === '.') {
          mails.push(data.join('\n'));
          data = null;
          say('250 taken');
        } else data.push(line);
        return;
      }
      commands.push(line);
      const verb = line.split(/[ :]/)[0]?.toUpperCase();
      if (verb === 'EHLO') say(answers.starttls === true ? '250-here\r\n250 STARTTLS' : '250 here');
      else if (verb === 'RCPT') say(answers.rcpt ?? '250 fine');
      else if (verb === 'DATA') {
        data = [];
        say('354 go on');
      } else if (verb === 'QUIT') socket.end('221 bye\r\n');
      else say('250 fine');
    };
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      rest += chunk.toString('utf8');
      const lines = rest.split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) hear(line);
    });
    say('220 smtp.test');
  };
  const server: Server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${String(port)}`,
    port,
    commands,
    mails,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

describe('mail', () => {
  describe('what may be sent', () => {
    it('goes to exactly one address', () => {
      for (const to of ['a@b.example', 'first.last+tag@sub.b.example', 'jörg@müller.example', "o'neil@b.example"])
        assert.equal(isMailAddress(to), true, to);
      for (const to of [
        '',
        'a',
        '@b.example',
        'a@',
        'a@b, c@d',
        'a@b;c@d',
        'Wren <a@b.example>',
        '"a b"@c.example',
        'a b@c.example',
        'a@b@c.example',
        'a@b.example\r\nBcc: c@d.example',
        'a@b.example\n',
        'a@-b.example',
        'a@b..example',
        '.a@b.example',
        'a@[127.0.0.1]',
        `${'a'.repeat(65)}@b.example`,
        `a@${'b'.repeat(300)}`,
        'a\u0000@b.example',
        'a(comment)@b.example',
      ])
        assert.equal(isMailAddress(to), false, JSON.stringify(to));
    });

    it('has no way to a header of its own (property)', () => {
      const hostile = fc
        .array(fc.constantFrom('a@b.example', '\r', '\n', '\u2028', '\u0085', 'Bcc: x@y', ' ', ',', '<'))
        .map((parts) => parts.join(''));
      fc.assert(
        fc.property(hostile, hostile, (to, subject) => {
          let accepted = true;
          try {
            assertSendable({ ...message, to, subject });
          } catch {
            accepted = false;
          }
          if (accepted) assert.doesNotMatch(to + subject, /[\r\n\u0085\u2028]/);
          if (accepted) assert.equal(to, 'a@b.example');
        }),
      );
      assert.throws(
        () => {
          assertSendable({ ...message, subject: 'x\r\nBcc: a@b.example' });
        },
        { code: 'INVALID_VALUE' },
      );
    });
  });

  describe('SMTP', () => {
    const open: { close(): unknown }[] = [];
    afterEach(async () => {
      for (const one of open.splice(0)) await one.close();
    });
    const mailerTo = (url: string): Mailer => {
      const mailer = createSmtpMailer({ url, from: FROM });
      open.push(mailer);
      return mailer;
    };
    const smtp = async (answers?: Parameters<typeof startSmtp>[0]) => {
      const server = await startSmtp(answers);
      open.push(server);
      return server;
    };

    it('hands over one mail to one recipient', async () => {
      const server = await smtp();
      await mailerTo(server.url).send(message);
      assert.deepEqual(
        server.commands
          .filter((line) => /^(MAIL|RCPT)/.test(line))
          .map((line) => line.replace(/ (SMTPUTF8|BODY).*/, '')),
        [`MAIL FROM:<${FROM}>`, `RCPT TO:<${message.to}>`],
      );
      const [mail = ''] = server.mails;
      assert.match(mail, /^To: wren@acme\.example$/m);
      assert.match(mail, /^Auto-Submitted: auto-generated$/m);
      assert.match(mail, /https:\/\/x\/#abc/);
    });

    it('sends nothing that could be more than one mail', async () => {
      const server = await smtp();
      const mailer = mailerTo(server.url);
      for (const to of ['a@b.example, c@d.example', 'a@b.example\r\nRCPT TO:<c@d.example>'])
        await assert.rejects(mailer.send({ ...message, to }), { code: 'INVALID_VALUE' });
      assert.deepEqual(server.commands, []);
    });

    for (const [rcpt, code] of [
      ['450 later', 'UNAVAILABLE'],
      ['550 wren@acme.example is nobody', 'INTERNAL'],
    ] as const)
      it(`calls "${rcpt.slice(0, 3)}" ${code}, without the address`, async () => {
        const server = await smtp({ rcpt });
        await assert.rejects(mailerTo(server.url).send(message), (error: Error & { code: string }) => {
          assert.equal(error.code, code);
          assert.doesNotMatch(JSON.stringify(error) + error.message, /wren|acme/);
          return true;
        });
      });

    it('does not log in and does not send where another machine offers no encryption', async () => {
      const server = await smtp();
      const mailer = createSmtpMailer({ url: `smtp://user:secret@127.0.0.2:${String(server.port)}`, from: FROM });
      open.push(mailer);
      await assert.rejects(mailer.send(message), { code: 'UNAVAILABLE' });
      assert.ok(server.commands.length > 0, 'it was asked');
      assert.deepEqual(
        server.commands.filter((line) => /^(AUTH|MAIL|RCPT|DATA)/.test(line)),
        [],
      );
    });

    it('says UNAVAILABLE when nobody listens', async () => {
      const server = await smtp();
      server.close();
      await assert.rejects(mailerTo(server.url).send(message), { code: 'UNAVAILABLE' });
    });
  });

  describe('mailbox of development', () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'sallyport-mail-')), 'box');
    after(() => {
      rmSync(join(folder, '..'), { recursive: true });
    });
    const mailer = createFileMailer({ folder, from: FROM, clock: { now: () => new Date('2030-01-02T03:04:05.678Z') } });

    it('holds one readable file for each mail, for its owner only', async () => {
      await mailer.send(message);
      await mailer.send({ ...message, text: 'Another' });
      const files = readdirSync(folder).sort();
      assert.equal(files.length, 2);
      const [first = ''] = files;
      assert.match(first, /^2030-01-02T03-04-05\.678Z-[0-9a-f]{8}\.eml$/);
      assert.equal(statSync(join(folder, first)).mode & 0o077, 0);
      assert.equal(statSync(folder).mode & 0o077, 0);
      const texts = files.map((file) => readFileSync(join(folder, file), 'utf8'));
      assert.ok(
        texts.some((text) => /^To: wren@acme\.example$/m.test(text) && text.endsWith('A link:\nhttps://x/#abc\n')),
      );
    });

    it('takes nothing SMTP would not take', async () => {
      await assert.rejects(mailer.send({ ...message, subject: 'a\nb' }), { code: 'INVALID_VALUE' });
      assert.equal(readdirSync(folder).length, 2);
    });
  });
});
