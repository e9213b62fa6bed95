/** What is needed of Cerbos's request (cerbos.request.v1.CheckResourcesRequest), field by field. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

export interface CerbosCheck {
  readonly principal: CerbosPrincipal;
  readonly action: string;
  readonly resource: { readonly id: string; readonly attributes: Readonly<Record<string, string>> };
}

export interface CerbosPrincipal {
  readonly id: string;
  readonly role: string;
  readonly attributes: Readonly<Record<string, string>>;
}

const LENGTH_DELIMITED = 2;
const tag = (field: number): number => (field << 3) | LENGTH_DELIMITED;

const text = (writer: BinaryWriter, field: number, value: string): BinaryWriter =>
  writer.uint32(tag(field)).string(value);

const message = (writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): BinaryWriter => {
  writer.uint32(tag(field)).fork();
  write(writer);
  return writer.join();
};

/** map<string, google.protobuf.Value>, whose string_value is field 3. */
const attributes = (writer: BinaryWriter, field: number, values: Readonly<Record<string, string>>): void => {
  for (const [key, value] of Object.entries(values))
    message(writer, field, (entry) => {
      text(entry, 1, key);
      message(entry, 2, (inner) => text(inner, 3, value));
    });
};

export const encodeCheckResources = (principal: CerbosPrincipal, checks: readonly CerbosCheck[]): Uint8Array => {
  const writer = new BinaryWriter();
  text(writer, 1, 'bench');
  message(writer, 3, (inner) => {
    text(inner, 1, principal.id);
    text(inner, 3, principal.role);
    attributes(inner, 4, principal.attributes);
  });
  for (const { action, resource } of checks)
    message(writer, 4, (entry) => {
      text(entry, 1, action);
      message(entry, 2, (inner) => {
        text(inner, 1, 'environment');
        text(inner, 3, resource.id);
        attributes(inner, 4, resource.attributes);
      });
    });
  return writer.finish();
};
