import { useNavigate, useSearch } from '@tanstack/react-router'
import { HooksPanel } from '../../../parts/hooks/hooks-panel.tsx'
import { type CollectionPlace, CommandLines } from '../frame.tsx'

/** The hooks of a collection. */
const HooksPage = ({ collection }: CollectionPlace) => {
  const navigate = useNavigate()
  const { hook: asked } = useSearch({ strict: false })
  const choose = (hook: string) =>
    void navigate({
      to: '/$collection/-/settings/$section',
      params: { collection, section: 'hooks' },
      search: { hook },
      replace: true,
    })
  return (
    <>
      <HooksPanel collection={collection} asked={asked} onChoose={choose} />
      <CommandLines lines={[`jetty hooks ls ${collection}`, `jetty hooks deliveries ${collection}/my-hook`]} />
    </>
  )
}

export default HooksPage
