import { environmentHref, PageLink } from '../../../parts/page-link.tsx'
import type { Refusal } from './answer.ts'

/** Whether another key would help: there is none, or the provider refused it. */
const needsKey = ({ code, providerStatus }: Refusal): boolean =>
  code === 'model_unavailable' || providerStatus === 401 || providerStatus === 403

/** Why there is no answer, and what to do. */
export const RefusalBox = ({ refusal, collection }: { refusal: Refusal; collection: string }) => (
  <div role="alert" className="flex flex-col gap-1">
    <p className="whitespace-pre-wrap text-bad [overflow-wrap:anywhere]">{refusal.message}</p>
    {needsKey(refusal) && (
      <p>
        <PageLink href={environmentHref(collection)} className="text-accent">
          Set the key in the environment of {collection}
        </PageLink>
      </p>
    )}
    {refusal.hint && <p className="text-muted [overflow-wrap:anywhere]">{refusal.hint}</p>}
  </div>
)
