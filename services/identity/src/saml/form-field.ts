import { z } from 'zod';

/** Repeated fields are ambiguous: which one would count? They are taken as absent. */
export const formField = z.union([z.string(), z.array(z.string())]).optional();

export type FormField = z.output<typeof formField>;

/** The value of a field that is there exactly once. */
export const textOfField = (value: FormField): string | null => (typeof value === 'string' ? value : null);
