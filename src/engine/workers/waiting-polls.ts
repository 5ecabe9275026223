import { makeLru } from '../../lib/memory/lru.ts'
import type { JobNeeds } from '../../store/workers/jobs.ts'

/** A worker whose poll waits, and what it can do. */
interface PollAbility {
  workerId: string
  labels: ReadonlySet<string>
  /** Collections whose jobs it takes; null: all. */
  collectionIds: ReadonlySet<number> | null
  /** What it offers, by the name of the activity. `isLimited`: it takes a limited number of jobs of it. */
  offers: ReadonlyMap<string, { version: string | null; isLimited: boolean }>
  /** Activities of which it has as many jobs as it takes. */
  full: Set<string>
}

/** A poll that waits for jobs. */
export interface WaitingPoll extends PollAbility {
  /** Jobs that were queued for it, and that it has not looked for yet. */
  news: JobNeeds[]
  /** Wakes it: to look for jobs, or to end. */
  ring(): void
  /** Ends it without jobs. */
  end(): void
}

const canDo = (poll: PollAbility, { collection, labels, version, activity }: JobNeeds): boolean =>
  (poll.collectionIds === null || poll.collectionIds.has(collection)) &&
  (version === null || poll.offers.get(activity)?.version === version) &&
  !poll.full.has(activity) &&
  labels.every((label) => poll.labels.has(label))

/** The polls that wait in this process, by the activities that they can take. */
export interface WaitingPolls {
  readonly size: number
  /** Number of news so far. */
  readonly news: number
  /** Notes where the news stood when a worker found nothing: it need not look again before there are more. */
  noteQuiet(workerId: string, news: number | undefined): void
  /** Whether a worker found nothing, and there was no news for it since. */
  isQuiet(poll: PollAbility): boolean
  /** Names of the activities that some poll waits for. */
  activities(): string[]
  add(poll: WaitingPoll): void
  remove(poll: WaitingPoll): void
  /** Lets the poll look that has waited longest and can do a job; one that is about to look already takes no more. */
  tell(job: JobNeeds): void
  /** Lets all polls look. */
  tellAll(): void
  /** Lets a worker look that takes jobs again of an activity. */
  freed(workerId: string): void
  /** Ends the poll of a worker, which gets no more jobs. */
  end(workerId: string): void
  /** Ends all polls, and each that is added afterwards. */
  endAll(): void
}

/** Activities with news that are remembered. Of others a poll hears with the next look, within a second. */
const mostRemembered = 10_000

export const makeWaitingPolls = (): WaitingPolls => {
  const all = new Set<WaitingPoll>()
  const byActivity = new Map<string, Set<WaitingPoll>>()
  const lastNews = makeLru<string, number>(mostRemembered)
  const ended = makeLru<string, true>(mostRemembered)
  const quiet = makeLru<string, number>(mostRemembered * 2)
  let news = 0
  let newsForAll = 0
  let isOver = false
  const hasNewsFor = (activities: Iterable<string>, after: number): boolean => {
    if (newsForAll > after) return true
    for (const name of activities) if ((lastNews.get(name) ?? 0) > after) return true
    return false
  }
  return {
    get size() {
      return all.size
    },
    get news() {
      return news
    },
    noteQuiet(workerId, seen) {
      if (seen === undefined) quiet.delete(workerId)
      else quiet.set(workerId, seen)
    },
    isQuiet({ workerId, offers }) {
      const seen = quiet.get(workerId)
      return seen !== undefined && !hasNewsFor(offers.keys(), seen)
    },
    activities: () => [...byActivity.keys()],
    add(poll) {
      if (isOver || ended.has(poll.workerId)) poll.end() // it was stopped while this poll began
      all.add(poll)
      for (const name of poll.offers.keys()) {
        const polls = byActivity.get(name) ?? new Set()
        byActivity.set(name, polls.add(poll))
      }
    },
    remove(poll) {
      all.delete(poll)
      for (const name of poll.offers.keys()) {
        const polls = byActivity.get(name)
        polls?.delete(poll)
        if (polls?.size === 0) byActivity.delete(name)
      }
    },
    tell(job) {
      lastNews.set(job.activity, ++news)
      for (const poll of byActivity.get(job.activity) ?? []) {
        if (poll.news.length > 0 || !canDo(poll, job)) continue
        poll.news.push(job)
        poll.ring()
        return
      }
    },
    tellAll() {
      newsForAll = ++news
      for (const poll of all) {
        poll.full.clear()
        poll.ring()
      }
    },
    freed(workerId) {
      quiet.delete(workerId)
      for (const poll of all) {
        if (poll.workerId !== workerId) continue
        poll.full.clear()
        poll.ring()
      }
    },
    end(workerId) {
      ended.set(workerId, true)
      for (const poll of all) if (poll.workerId === workerId) poll.end()
    },
    endAll() {
      isOver = true
      for (const poll of all) poll.end()
    },
  }
}
