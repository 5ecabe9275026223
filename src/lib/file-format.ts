/** Extension (no dot) and content type by which a file's bytes give themselves away; undefined for plain text. */
export const fileFormatOf = async (bytes: Uint8Array): Promise<{ ext: string; mime: string } | undefined> => {
  // Loaded when it is first needed: it costs a start-up 50 ms.
  const { fileTypeFromBuffer } = await import('file-type')
  return fileTypeFromBuffer(bytes).catch(() => undefined)
}
