import { useRouter } from '@tanstack/react-router'
import type { AnchorHTMLAttributes } from 'react'

/**
 * A link by address. It costs a tenth of a Link of the router, which works out its address and watches it: that shows
 * where a list draws many while somebody scrolls.
 */
export const PageLink = ({
  href,
  onClick,
  children,
  ...rest
}: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) => {
  const router = useRouter()
  return (
    <a
      {...rest}
      href={href}
      onClick={(event) => {
        onClick?.(event)
        const isElsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0
        if (isElsewhere || event.defaultPrevented) return
        event.preventDefault()
        void router.navigate({ href })
      }}
    >
      {children}
    </a>
  )
}

interface RunPlace {
  collection: string
  task: string
  trajectory_id: string
}

/** Address of the page of a run, or of one step there. */
export const runHref = ({ collection, task, trajectory_id: id }: RunPlace, step?: string): string =>
  `/${[collection, task, id].map(encodeURIComponent).join('/')}${step === undefined ? '' : `?step=${encodeURIComponent(step)}`}`

/** Address of the page of a conversation. */
export const sessionHref = (collection: string, session: string): string =>
  `/${encodeURIComponent(collection)}/-/sessions/${encodeURIComponent(session)}`

/** Address of the page of a user. */
export const userHref = (collection: string, user: string): string =>
  `/${encodeURIComponent(collection)}/-/users/${encodeURIComponent(user)}`

/** Address of the page of a dataset. */
export const datasetHref = (collection: string, dataset: string): string =>
  `/${encodeURIComponent(collection)}/-/datasets/${encodeURIComponent(dataset)}`

/** Address of the page that shows where something came from: a run, file, dataset, item of one, or model. */
export const lineageHref = (collection: string, of: Readonly<Record<string, string>>): string =>
  `/${encodeURIComponent(collection)}/-/lineage?${Object.entries(of)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')}`

/** Address of the page where the keys of model providers are set for a collection. */
export const environmentHref = (collection: string): string =>
  `/${encodeURIComponent(collection)}/-/settings/environment`
