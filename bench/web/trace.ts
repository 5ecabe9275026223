import type { Page } from 'playwright-core'
import type { MeasuredBrowser } from './browser.ts'

/** An event of Chromium's trace; times in microseconds. `tdur` is the CPU time of the thread. */
interface TraceEvent {
  name: string
  ph: string
  pid: number
  tid: number
  ts: number
  dur?: number
  tdur?: number
}

const categories = ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'toplevel']

const isTask = ({ name, ph }: TraceEvent) =>
  ph === 'X' && (name === 'RunTask' || name === 'ThreadControllerImpl::RunTask')
const isFrame = ({ name, ph }: TraceEvent) => name === 'AnimationFrame::Render' && ph === 'b'
const threadOf = ({ pid, tid }: TraceEvent) => `${pid}/${tid}`

/** The main thread of the page: the one that began most frames. */
const busiest = (frames: TraceEvent[]): string | undefined => {
  const counts = new Map<string, number>()
  for (const frame of frames) counts.set(threadOf(frame), (counts.get(threadOf(frame)) ?? 0) + 1)
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0]
}

/** CPU of the main thread for each frame, in ms: all tasks from the end of the frame before to its own end. */
const cpuOfFrames = (events: TraceEvent[]): number[] => {
  const frames = events.filter(isFrame)
  const thread = busiest(frames)
  const ofThread = (event: TraceEvent) => threadOf(event) === thread
  const begins = frames
    .filter(ofThread)
    .map(({ ts }) => ts)
    .sort((one, other) => one - other)
  const tasks = events.filter((event) => isTask(event) && ofThread(event)).sort((one, other) => one.ts - other.ts)
  const cpu: number[] = []
  let spent = 0
  let next = 0
  for (const { ts, dur = 0, tdur = dur } of tasks) {
    spent += tdur / 1000
    const begin = begins[next]
    if (begin === undefined || ts + dur < begin) continue
    cpu.push(spent)
    spent = 0
    while ((begins[next] ?? Number.POSITIVE_INFINITY) <= ts + dur) next++
  }
  return cpu.slice(1) // what the start of the trace cost
}

/** Traces the page while `work` is done, and tells the CPU of its main thread for each frame. */
export const traceFrames = async (
  { browser }: MeasuredBrowser,
  page: Page,
  work: () => Promise<void>,
): Promise<number[]> => {
  await browser.startTracing(page, { categories })
  await work()
  const trace = JSON.parse(String(await browser.stopTracing())) as { traceEvents: TraceEvent[] }
  const cpu = cpuOfFrames(trace.traceEvents)
  if (cpu.length === 0) throw new Error('The trace has no frame of the page')
  return cpu
}
