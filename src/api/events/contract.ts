import { endpoint } from '../../http/endpoint.ts'

export const eventsContract = {
  watchCollection: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/events',
    summary:
      'Server-sent events of a collection, from now on; continues after `Last-Event-ID`. `run`: a changed run, as a row of ' +
      'the list of runs, with the name of its newest `step`. `approval`: an approval that was requested or decided, as in the list of approvals. `removed`: `runs` that retention removed, by id and task',
    tag: 'Collections',
    response: 'events',
  }),
}
