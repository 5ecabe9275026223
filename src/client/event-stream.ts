import { EventSourceParserStream } from 'eventsource-parser/stream'

/** One server-sent event. */
export interface StreamEvent {
  id: string | undefined
  event: string
  data: string
}

/** Yields the events of an answer until it ends; leaving the loop closes the connection. Throws when it breaks off. */
export async function* eventsOf(response: Pick<Response, 'body'>): AsyncGenerator<StreamEvent> {
  if (!response.body) return
  const messages = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  const reader = messages.getReader()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      yield { id: value.id, event: value.event ?? 'message', data: value.data }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
