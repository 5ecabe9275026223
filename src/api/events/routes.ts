import { events } from '../../http/events.ts'
import { implement, type Route } from '../../http/implement.ts'
import { eventsContract } from './contract.ts'
import { type FeedDeps, makeCollectionFeeds } from './feeds.ts'
import { lastEventId } from './last-event-id.ts'
import { watchCollection } from './watch-collection.ts'

export type EventsDeps = FeedDeps

export const eventsRoutes = (deps: EventsDeps): Route[] => {
  const feeds = makeCollectionFeeds(deps)
  return implement(eventsContract, {
    watchCollection: async (call) => {
      const after = await lastEventId(deps.database, call.headers['last-event-id']?.toString())
      return events(call, (signal) => watchCollection(deps, () => feeds.join(call.collection.id), after, signal))
    },
  })
}
