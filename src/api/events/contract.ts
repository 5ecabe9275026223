import { endpoint } from '../../http/endpoint.ts'

export const eventsContract = {
  watchCollection: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/events',
    summary: 'Server-sent events of every run of a collection, from now on; continues after `Last-Event-ID`',
    tag: 'Collections',
    response: 'events',
  }),
}
