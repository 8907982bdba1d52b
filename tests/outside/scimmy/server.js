// People and groups in memory, served by SCIMMY: `node server.js TOKEN`, on a free port that it announces.

import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [token] = process.argv.slice(2);

function keep(Resource, unique) {
    const kept = new Map();
    const found = (id) => {
        if (!kept.has(id)) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        return kept.get(id);
    };
    const isSame = (one, other) => one?.toLowerCase() === other?.toLowerCase();
    Resource.ingress((resource, data) => {
        const before = resource.id ? found(resource.id) : { id: randomUUID(), meta: { created: new Date() } };
        for (const other of kept.values()) {
            if (unique && other.id !== before.id && isSame(other[unique], data[unique])) {
                throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
            }
        }
        const values = JSON.parse(JSON.stringify(data));
        const after = { ...values, id: before.id, meta: { ...before.meta, lastModified: new Date() } };
        kept.set(after.id, after);
        return after;
    });
    Resource.egress((resource) => {
        if (resource.id) return found(resource.id);
        const everybody = [...kept.values()];
        return resource.filter ? resource.filter.match(everybody) : everybody;
    });
    Resource.degress((resource) => {
        found(resource.id);
        kept.delete(resource.id);
    });
}

SCIMMY.Resources.declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser));
SCIMMY.Resources.declare(SCIMMY.Resources.Group);
keep(SCIMMY.Resources.User, "userName");
keep(SCIMMY.Resources.Group, null);

const handler = (request) => {
    if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("This is not the token.");
    return "robot";
};
const app = express();
app.use("/scim", new SCIMMYRouters({ type: "bearer", handler }));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
