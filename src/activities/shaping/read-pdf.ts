import { extractText, getDocumentProxy } from 'unpdf'

const mostPages = 2_000

/** Reads the text of each page of a PDF. Scanned pages have none. */
export const readPdf = async (bytes: Uint8Array): Promise<string[]> => {
  const document = await getDocumentProxy(new Uint8Array(bytes), { isEvalSupported: false, verbosity: 0 }).catch(
    (error: Error) => {
      const isLocked = error.name === 'PasswordException'
      throw new Error(isLocked ? 'the PDF is protected by a password' : `the file is not a PDF: ${error.message}`)
    },
  )
  if (document.numPages > mostPages) throw new Error(`the PDF has more than ${mostPages} pages`)
  const { text } = await extractText(document, { mergePages: false })
  return text
}
