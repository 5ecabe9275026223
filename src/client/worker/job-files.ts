import type { WorkContext } from '../../activities/own/own-activity.ts'
import { extensionOf } from '../../lib/files/media-type.ts'
import type { WorkerJob } from '../../model/workers/worker-job.ts'
import type { Client } from '../client.ts'
import { untilAnswered } from './answered.ts'

/** Files of the collection of a job: open to its worker for as long as it has the job. */
export const jobFiles = (
  client: Client,
  workerId: string,
  { job_id, epoch }: WorkerJob,
  signal: AbortSignal,
): WorkContext['files'] => {
  const params = { worker_id: workerId, job_id }
  return {
    async open(path) {
      const download = () => client.downloadJobFile({ params: { ...params, path }, query: { epoch }, signal })
      const response = await untilAnswered(download, signal)
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
      const files = [{ field: 'file', name, content: new Blob([body as string], { type: content_type }) }]
      const upload = () => client.uploadJobFile({ params, body: { epoch }, files, signal })
      const { path, size } = await untilAnswered(upload, signal)
      return { path, name, extension: extensionOf(name), content_type, size }
    },
  }
}
