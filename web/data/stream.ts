import { useEffect, useEffectEvent, useRef, useSyncExternalStore } from 'react'
import type { FollowedEvent } from '../../src/client/follow.ts'
import { useVisible } from './browser.ts'

/**
 * `off`: this page follows nothing. `paused`: nobody sees the tab. `stopped`: somebody wants to read without changes.
 * `broken`: the connection is being made again.
 */
export type StreamState = 'off' | 'connecting' | 'live' | 'broken' | 'paused' | 'stopped'

const listeners = new Set<() => void>()
let state: StreamState = 'off'
let isStopped = false

const set = (next: StreamState): void => {
  if (next === state) return
  state = next
  for (const tell of listeners) tell()
}

const watch = (tell: () => void): (() => void) => {
  listeners.add(tell)
  return () => listeners.delete(tell)
}

const setStopped = (stopped: boolean): void => {
  isStopped = stopped
  for (const tell of listeners) tell()
}

/** Stops following, or goes on after the last event. The next page follows anew. */
export const toggleFollowing = (): void => {
  if (state !== 'off') setStopped(!isStopped)
}

/** How the stream of this tab is, for the header. */
export const useStreamState = (): StreamState => useSyncExternalStore(watch, () => state)

type StreamEvent = Pick<FollowedEvent, 'id' | 'event' | 'data'>
type Opener = (headers: Record<string, string>, signal: AbortSignal) => Promise<Response>

interface LiveStreamOptions<Event extends StreamEvent> {
  /** What is followed; another text closes the stream and opens one from the beginning. */
  of: string
  open: Opener
  /** Takes the events of one frame together. */
  onEvents: (events: Event[]) => void
  isOn?: boolean
  /** It begins now: nobody has told what changed between the reading of a page and this. */
  onGap?: () => void
  /** The server refused: the stream does not come back by itself. */
  onRefused?: (error: unknown) => void
}

/** It comes after the page: nothing is followed before something is shown. */
const loadFollow = () => import('../../src/client/follow.ts')

/**
 * Follows a stream of events while the tab is visible, and goes on after the last event when it is seen again. A page
 * has one stream at most.
 */
export const useStream = <Event extends StreamEvent = StreamEvent>(options: LiveStreamOptions<Event>): void => {
  const { of, isOn = true } = options
  const isVisible = useVisible()
  const isPaused = useSyncExternalStore(watch, () => isStopped)
  const last = useRef<{ of: string; id: string | undefined }>({ of: '', id: undefined })
  const open = useEffectEvent(options.open)
  const apply = useEffectEvent(options.onEvents)
  const miss = useEffectEvent(() => options.onGap?.())
  const refuse = useEffectEvent((error: unknown) => options.onRefused?.(error))
  const isStill = useEffectEvent((one: string) => one === options.of)

  // Also in a tab that nobody sees yet: the server may be away when somebody does.
  useEffect(() => void loadFollow().catch(() => {}), [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: leaving what is followed ends the stop
  useEffect(() => () => setStopped(false), [of])

  useEffect(() => {
    if (!isOn) return
    if (!isVisible || isPaused) {
      set(isPaused ? 'stopped' : 'paused')
      return () => set('off')
    }
    if (last.current.of !== of) last.current = { of, id: undefined }
    const place = last.current
    const stop = new AbortController()
    let waiting: Event[] = []
    let frame = 0
    const flush = () => {
      const events = waiting
      waiting = []
      frame = 0
      apply(events)
    }
    const read = async () => {
      const { follow } = await loadFollow()
      const events = follow<Event>(
        async (headers, signal) => {
          const answer = await open(headers, signal)
          // A stream that goes on misses nothing from here; a new one says by its first event where it begins.
          if (headers['last-event-id'] !== undefined) set('live')
          return answer
        },
        {
          signal: stop.signal,
          patienceMs: Number.POSITIVE_INFINITY,
          onBreak: () => set('broken'),
          ...(place.id === undefined ? {} : { after: place.id }),
        },
      )
      for await (const event of events) {
        place.id = event.id ?? place.id
        if (event.event === 'open') miss()
        set('live')
        waiting.push(event)
        frame ||= requestAnimationFrame(flush)
      }
      if (!stop.signal.aborted) set('off')
    }
    set('connecting')
    read().catch((error: unknown) => {
      if (stop.signal.aborted) return
      set('off')
      refuse(error)
    })
    return () => {
      stop.abort()
      cancelAnimationFrame(frame)
      // Their ids are noted already, and the server does not send them again. Of what was left, nobody asks any more.
      if (waiting.length > 0 && isStill(of)) flush()
      set('off')
    }
  }, [of, isOn, isVisible, isPaused])
}
