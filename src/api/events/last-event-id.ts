/** The id of the last event a client has had, if it sent one that may be of ours. */
export const lastEventId = (request: Request): number | undefined => {
  const header = request.headers.get('last-event-id')
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined
}
