import { setting } from '@sallyport/config';

/** The look of the pages. */
export const pageSettings = {
  themeFile: setting.path('SALLYPORT_THEME_FILE', {
    mustExist: 'file',
    optional: true,
    doc: 'CSS that comes after ours on every page people sign in with: colours, type, a name or logo. Loads nothing from elsewhere.',
  }),
} as const;
