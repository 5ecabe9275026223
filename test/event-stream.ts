import type { Body } from './server.ts'

export interface SeenEvent {
  id: number | undefined
  event: string
  data: Body
}

/** Reads server-sent events until the server ends the stream, or `enough` says so. */
export const readEvents = async (
  url: string,
  token: string,
  options: { lastEventId?: number | string; enough?: (events: SeenEvent[]) => boolean } = {},
): Promise<{ events: SeenEvent[]; ended: boolean; headers: Headers }> => {
  const gone = new AbortController()
  const { lastEventId, enough } = options
  const response = await fetch(url, {
    signal: gone.signal,
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
    },
  })
  if (response.status !== 200 || !response.body) throw new Error(`${response.status} ${await response.text()}`)
  const { headers } = response
  const events: SeenEvent[] = []
  let text = ''
  for await (const chunk of response.body.pipeThrough(
    new TextDecoderStream() as never,
  ) as unknown as AsyncIterable<string>) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    events.push(...blocks.map(parseBlock).filter((event) => event !== undefined))
    if (enough?.(events)) {
      gone.abort()
      return { events, ended: false, headers }
    }
  }
  return { events, ended: true, headers }
}

const parseBlock = (block: string): SeenEvent | undefined => {
  const lines = block.split('\n').filter((line) => !line.startsWith(':'))
  if (lines.length === 0) return undefined
  const field = (name: string) =>
    lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
  const id = field('id')[0]
  return {
    id: id === undefined ? undefined : Number(id),
    event: field('event')[0] ?? 'message',
    data: JSON.parse(field('data').join('\n')),
  }
}

/** What a client knows of a run after these events: the snapshot with everything that changed put into it. */
export const assemble = (known: Body, events: SeenEvent[]): Body => {
  let state = structuredClone(known)
  for (const { event, data } of events) {
    if (event === 'snapshot') state = structuredClone(data)
    if (event === 'step') state.steps[data.key] = data
    if (event === 'label') state.labels = data.labels
    if (event === 'status' || event === 'end') Object.assign(state, { status: data.status, error: data.error })
  }
  return state
}
