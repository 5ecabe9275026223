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

/** Reads the beginning of a stream, then leaves it. */
const readEvents = async (response: Response): Promise<string> => {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (!reader) return ''
  const timer = setTimeout(() => void reader.cancel(), eventsMs)
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

/** Reads an answer to be looked at: JSON indented, events for four seconds, of other bytes only how many. */
export const readAnswer = async (response: Response): Promise<ShownAnswer> => {
  const type = response.headers.get('content-type') ?? ''
  const { status } = response
  if (type.startsWith('text/event-stream')) return { status, type, text: cut(await readEvents(response)) }
  if (type.includes('json')) return { status, type, text: cut(prettyJson(await response.text())) }
  if (type === '' || type.startsWith('text/')) return { status, type, text: cut(await response.text()) }
  return { status, type, text: `${(await response.blob()).size} bytes` }
}
