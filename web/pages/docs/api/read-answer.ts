import { prettyJson } from '../../../../src/lib/json/pretty-json.ts'

/** Characters of an answer that are shown. */
const mostShown = 100_000
/** A stream of events is read for so long. */
const eventsMs = 4_000

/** An answer as the page shows it. */
export interface ShownAnswer {
  status: number
  type: string
  text: string
}

const cut = (text: string): string => (text.length > mostShown ? `${text.slice(0, mostShown)}\n… cut here` : text)

/** Reads the beginning of an answer, for so long at most, then leaves it. */
const readStart = async (response: Response, forMs?: number): Promise<string> => {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (!reader) return ''
  const timer = forMs === undefined ? undefined : setTimeout(() => void reader.cancel(), forMs)
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) break
    text += value
    if (text.length > mostShown) await reader.cancel()
  }
  clearTimeout(timer)
  return text
}

/** Says how large a file is without loading it. */
const sizeText = async (response: Response): Promise<string> => {
  await response.body?.cancel()
  const length = response.headers.get('content-length')
  return length === null ? 'Bytes, which are not shown' : `${length} bytes, which are not shown`
}

/** Reads an answer to be looked at: JSON indented, the beginning of texts, events for four seconds, the size of files. */
export const readAnswer = async (response: Response): Promise<ShownAnswer> => {
  const type = response.headers.get('content-type') ?? ''
  const { status } = response
  if (type.startsWith('text/event-stream')) return { status, type, text: cut(await readStart(response, eventsMs)) }
  if (type.includes('json')) return { status, type, text: cut(prettyJson(await response.text())) }
  if (type === '' || type.startsWith('text/')) return { status, type, text: cut(await readStart(response)) }
  return { status, type, text: await sizeText(response) }
}
