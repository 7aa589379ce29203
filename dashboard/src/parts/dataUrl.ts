/** The bytes as an address of their own. Unlike a blob's it belongs to no origin, wherever it is opened. */
export function dataUrl(bytes: Uint8Array, type: string): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(new Blob([bytes as BlobPart], { type }));
  });
}
