import { setting } from '@sallyport/config';

/** The settings of mail. */
export const mailSettings = {
  smtpUrl: setting.secretUrl('SALLYPORT_SMTP_URL', {
    optional: true,
    protocols: ['smtp:', 'smtps:'],
    doc: 'Mail server: smtps://user:password@host, or smtp:// (STARTTLS is demanded except on this machine). Absent: no mail, so no invitations and no password reset.',
  }),
  mailFrom: setting.string('SALLYPORT_MAIL_FROM', {
    default: 'sallyport@localhost',
    pattern: /^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253}$/,
    hint: 'address',
    doc: 'Address mail comes from.',
  }),
  mailboxDir: setting.path('SALLYPORT_MAILBOX_DIR', {
    optional: true,
    doc: 'Development only: a folder mail is written into instead of being sent.',
  }),
} as const;
