import { BinaryWriter } from '@bufbuild/protobuf/wire';

interface Encoder<Message> {
  encode(message: Message, writer?: BinaryWriter): BinaryWriter;
}

/**
 * A `requestSerialize` or `responseSerialize` that writes all its messages with one writer. What the generated ones do
 * with a new writer for each message is mostly making room for it.
 */
export const serializer = <Message>({ encode }: Encoder<Message>): ((message: Message) => Buffer) => {
  let writer = new BinaryWriter();
  return (message) => {
    try {
      const { buffer, byteOffset, byteLength } = encode(message, writer).finish();
      return Buffer.from(buffer, byteOffset, byteLength);
    } catch (error) {
      // Half a message must not be in front of the next one.
      writer = new BinaryWriter();
      throw error;
    }
  };
};
