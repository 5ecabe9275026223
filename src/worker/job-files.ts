import type { WorkContext } from '../activities/own/own-activity.ts'
import type { Client } from '../client/client.ts'
import { extensionOf } from '../lib/files/media-type.ts'
import { untilAnswered } from './answered.ts'

/** Files of the collection of a job, read and stored through the API. */
export const jobFiles = (client: Client, collection: string, signal: AbortSignal): WorkContext['files'] => ({
  async open(path) {
    const response = await untilAnswered(() => client.downloadFile({ params: { path }, signal }), signal)
    let body: Promise<Uint8Array> | undefined
    return {
      path,
      name: path.slice(path.lastIndexOf('/') + 1),
      content_type: response.headers.get('content-type') ?? 'application/octet-stream',
      size: Number(response.headers.get('content-length') ?? 0),
      bytes: () => {
        body ??= response.arrayBuffer().then((bytes) => new Uint8Array(bytes))
        return body
      },
    }
  },
  async save({ name, content_type, body }) {
    const content = new Blob([body as string], { type: content_type })
    const files = [{ field: 'file', name, content }]
    const stored = await untilAnswered(() => client.uploadFile({ body: { collection }, files, signal }), signal)
    return { path: stored.path, name, extension: extensionOf(name), content_type, size: stored.size }
  },
})
