//! What the sandbox sells and where: regions, zones, bundles, blueprints. A small choice with the shape of the real one.

use crate::model::Site;

/// A region and the numbers of its zones.
#[derive(Debug)]
pub struct Region {
    /// Site that offers it.
    pub site: Site,
    /// `ap-guangzhou`.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// Whether it is in the mainland of China.
    pub mainland: bool,
    /// Its zones.
    pub zones: &'static [&'static str],
}

/// A package for sale.
#[derive(Debug)]
pub struct Bundle {
    /// Site that offers it.
    pub site: Site,
    /// `bundle_…`.
    pub id: &'static str,
    /// `GENERAL_BUNDLE` and the like; each type has its own quota.
    pub kind: &'static str,
    /// The type for people.
    pub kind_name: &'static str,
    /// Cores.
    pub cpu: u32,
    /// GB.
    pub memory: u32,
    /// GB.
    pub disk: u32,
    /// GB a month.
    pub traffic: u32,
    /// Mbps.
    pub bandwidth: u32,
    /// Whether Linux blueprints fit.
    pub linux: bool,
    /// Whether Windows blueprints fit.
    pub windows: bool,
    /// One month, in ten-thousandths of the currency.
    pub month: i64,
    /// Whether any are left.
    pub on_sale: bool,
}

/// An image.
#[derive(Debug)]
pub struct Blueprint {
    /// `lhbp-…`.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// Version in the title.
    pub version: &'static str,
    /// Name of the system.
    pub os: &'static str,
    /// `UBUNTU` and the like.
    pub platform: &'static str,
    /// Whether it is a Windows.
    pub windows: bool,
    /// `PURE_OS`, `DOCKER`.
    pub kind: &'static str,
    /// GB of system disk that it needs.
    pub disk: u32,
    /// GB of memory that it needs.
    pub memory: u32,
    /// Version of Docker in it.
    pub docker: Option<&'static str>,
}

impl Blueprint {
    /// `LINUX_UNIX` or `WINDOWS`.
    pub fn platform_type(&self) -> &'static str {
        if self.windows { "WINDOWS" } else { "LINUX_UNIX" }
    }
}

/// What prices of a site are given in.
pub fn currency(site: Site) -> &'static str {
    match site {
        Site::China => "CNY",
        Site::International => "USD",
    }
}

const CN: Site = Site::China;
const INTL: Site = Site::International;

/// All regions.
pub static REGIONS: [Region; 7] = [
    region(CN, "ap-guangzhou", "South China (Guangzhou)", true, &GUANGZHOU),
    region(CN, "ap-shanghai", "East China (Shanghai)", true, &["ap-shanghai-2", "ap-shanghai-4"]),
    region(CN, "ap-beijing", "North China (Beijing)", true, &["ap-beijing-3", "ap-beijing-6"]),
    region(CN, "ap-hongkong", "Hong Kong, Macao and Taiwan (Hong Kong)", false, &["ap-hongkong-2"]),
    region(INTL, "ap-singapore", "Southeast Asia (Singapore)", false, &SINGAPORE),
    region(INTL, "na-ashburn", "US East (Virginia)", false, &["na-ashburn-1", "na-ashburn-2"]),
    region(INTL, "eu-frankfurt", "Europe (Frankfurt)", false, &["eu-frankfurt-1"]),
];

const GUANGZHOU: [&str; 4] = ["ap-guangzhou-3", "ap-guangzhou-4", "ap-guangzhou-6", "ap-guangzhou-7"];
const SINGAPORE: [&str; 3] = ["ap-singapore-1", "ap-singapore-2", "ap-singapore-3"];

const fn region(
    site: Site,
    id: &'static str,
    name: &'static str,
    mainland: bool,
    zones: &'static [&'static str],
) -> Region {
    Region { site, id, name, mainland, zones }
}

/// A Linux bundle of the general type with two cores; the others are told by how they differ.
const GENERAL: Bundle = Bundle {
    site: CN,
    id: "",
    kind: "GENERAL_BUNDLE",
    kind_name: "General",
    cpu: 2,
    memory: 2,
    disk: 50,
    traffic: 300,
    bandwidth: 4,
    linux: true,
    windows: false,
    month: 500_000,
    on_sale: true,
};

/// All bundles.
pub static BUNDLES: [Bundle; 8] = [
    Bundle { id: "bundle_rs_nmc_lin_med2_01", ..GENERAL },
    Bundle { id: "bundle_rs_nmc_lin_med4_01", memory: 4, disk: 70, traffic: 600, month: 750_000, ..GENERAL },
    Bundle {
        id: "bundle_rs_nmc_lin_large8_01",
        cpu: 4,
        memory: 8,
        disk: 120,
        traffic: 1500,
        bandwidth: 10,
        month: 1_650_000,
        ..GENERAL
    },
    Bundle {
        id: "bundle_starter_nmc_lin_med2_01",
        kind: "STARTER_BUNDLE",
        kind_name: "Starter",
        disk: 40,
        traffic: 200,
        bandwidth: 3,
        month: 405_000,
        ..GENERAL
    },
    Bundle {
        id: "bundle_rs_nmc_win_med4_01",
        memory: 4,
        disk: 80,
        traffic: 600,
        linux: false,
        windows: true,
        month: 900_000,
        ..GENERAL
    },
    Bundle { id: "bundle_rs_nmc_lin_soldout_01", month: 300_000, on_sale: false, ..GENERAL },
    Bundle {
        site: INTL,
        id: "bundle_linux_int_gen_01",
        disk: 40,
        traffic: 1024,
        bandwidth: 30,
        month: 52_500,
        ..GENERAL
    },
    Bundle {
        site: INTL,
        id: "bundle_linux_int_gen_02",
        memory: 4,
        disk: 60,
        traffic: 1536,
        bandwidth: 30,
        windows: true,
        month: 110_000,
        ..GENERAL
    },
];

/// All blueprints, of both sites.
pub static BLUEPRINTS: [Blueprint; 4] = [
    Blueprint {
        id: "lhbp-f1lkcd41",
        title: "Ubuntu",
        version: "22.04 LTS",
        os: "Ubuntu Server 22.04 LTS 64bit",
        platform: "UBUNTU",
        windows: false,
        kind: "PURE_OS",
        disk: 20,
        memory: 0,
        docker: None,
    },
    Blueprint {
        id: "lhbp-5e8807lo",
        title: "CentOS",
        version: "7.6",
        os: "CentOS 7.6 64bit",
        platform: "CENTOS",
        windows: false,
        kind: "PURE_OS",
        disk: 20,
        memory: 0,
        docker: None,
    },
    Blueprint {
        id: "lhbp-dck0r26a",
        title: "Docker CE",
        version: "26.1",
        os: "Ubuntu Server 22.04 LTS 64bit",
        platform: "UBUNTU",
        windows: false,
        kind: "DOCKER",
        disk: 20,
        memory: 1,
        docker: Some("26.1.3"),
    },
    Blueprint {
        id: "lhbp-w1nd0w22",
        title: "Windows Server",
        version: "2022",
        os: "Windows Server 2022 Datacenter 64bit",
        platform: "WINDOWS",
        windows: true,
        kind: "PURE_OS",
        disk: 50,
        memory: 2,
        docker: None,
    },
];

/// The region `id` of a site.
pub fn find_region(site: Site, id: &str) -> Option<&'static Region> {
    REGIONS.iter().find(|region| region.site == site && region.id == id)
}

/// The bundle `id` of a site.
pub fn find_bundle(site: Site, id: &str) -> Option<&'static Bundle> {
    BUNDLES.iter().find(|bundle| bundle.site == site && bundle.id == id)
}

/// The blueprint `id`.
pub fn find_blueprint(id: &str) -> Option<&'static Blueprint> {
    BLUEPRINTS.iter().find(|blueprint| blueprint.id == id)
}

/// Key pairs and firewall templates are not kept: every well-formed id exists, but for the one that is all zeros.
pub fn exists_elsewhere(id: &str) -> bool {
    !id.ends_with("-00000000")
}

/// All resources that have a quota (model, DescribeGeneralResourceQuotas).
pub const QUOTA_NAMES: [&str; 20] = [
    "GENERAL_BUNDLE_INSTANCE",
    "STORAGE_BUNDLE_INSTANCE",
    "ENTERPRISE_BUNDLE_INSTANCE",
    "EXCLUSIVE_BUNDLE_INSTANCE",
    "BEFAST_BUNDLE_INSTANCE",
    "STARTER_BUNDLE_INSTANCE",
    "HK_EXCLUSIVE_BUNDLE_INSTANCE",
    "CAREFREE_BUNDLE_INSTANCE",
    "EXCLUSIVE_BUNDLE_02_INSTANCE",
    "NEWCOMER_BUNDLE_INSTANCE",
    "GAME_PORTAL_BUNDLE_INSTANCE",
    "ECONOMY_BUNDLE_INSTANCE",
    "BUDGET_BUNDLE_INSTANCE",
    "RAZOR_SPEED_BUNDLE_INSTANCE",
    "BANDWIDTH_BUNDLE_INSTANCE",
    "USER_KEY_PAIR",
    "SNAPSHOT",
    "BLUEPRINT",
    "FREE_BLUEPRINT",
    "DATA_DISK",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::params::well_formed;

    #[test]
    fn ids_are_well_formed_and_each_is_there_once() {
        for blueprint in &BLUEPRINTS {
            assert!(well_formed(blueprint.id, "lhbp-"), "{}", blueprint.id);
        }
        for region in &REGIONS {
            assert!(region.zones.iter().all(|zone| zone.starts_with(region.id)), "{}", region.id);
        }
        for bundle in &BUNDLES {
            assert_eq!(BUNDLES.iter().filter(|other| other.id == bundle.id).count(), 1, "{}", bundle.id);
            assert!(QUOTA_NAMES.contains(&format!("{}_INSTANCE", bundle.kind).as_str()), "{}", bundle.kind);
        }
    }

    #[test]
    fn sites_are_apart() {
        assert!(find_bundle(Site::China, "bundle_linux_int_gen_01").is_none());
        assert!(find_region(Site::International, "ap-guangzhou").is_none());
        assert_eq!(currency(Site::International), "USD");
    }
}
